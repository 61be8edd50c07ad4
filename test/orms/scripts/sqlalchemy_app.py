"""SQLAlchemy by psycopg2: tables, the ORM, cursors of the server, COPY; prints what it sees, a line each."""

import datetime
import decimal
import io
import sys

from psycopg2.extras import execute_batch, execute_values
from sqlalchemy import (
    ARRAY, BigInteger, Boolean, Column, Enum, ForeignKeyConstraint, Identity, Index, Integer, Interval, LargeBinary,
    MetaData, Numeric, String, Text, and_, create_engine, delete, exists, func, inspect, select, text, true,
    union_all, update,
)
from sqlalchemy.dialects.postgresql import INT4RANGE, JSONB, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import declarative_base, joinedload, relationship, selectinload, sessionmaker, subqueryload

engine = create_engine(sys.argv[1].replace("postgresql:", "postgresql+psycopg2:"), future=True)
Session = sessionmaker(engine, future=True)
Base = declarative_base()


class Plan(Base):
    __tablename__ = "sa_plan"
    id = Column(Integer, primary_key=True)
    name = Column(String(40), unique=True)


class Doc(Base):
    __tablename__ = "sa_doc"
    user_id = Column(BigInteger, primary_key=True, autoincrement=False)
    id = Column(BigInteger, Identity(), primary_key=True)
    title = Column(String)
    price = Column(Numeric(10, 2))
    meta = Column(JSONB)
    tags = Column(ARRAY(String))
    kind = Column(Enum("a", "b", name="sa_kind"))
    plan_id = Column(Integer)
    flag = Column(Boolean)
    range = Column(INT4RANGE)
    span = Column(Interval)
    raw = Column(LargeBinary)
    notes = relationship("Note", cascade="all, delete-orphan")


class Note(Base):
    __tablename__ = "sa_note"
    user_id = Column(BigInteger, primary_key=True)
    id = Column(BigInteger, Identity(), primary_key=True)
    doc_id = Column(BigInteger)
    body = Column(Text)
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "doc_id"], ["sa_doc.user_id", "sa_doc.id"], ondelete="CASCADE"),
        Index("sa_note_doc", "user_id", "doc_id"),
    )


def show(name, run):
    with Session() as session:
        print(f"{name}: {run(session)!r}")


def rows(statement):
    return lambda session: [tuple(row) for row in session.execute(statement)]


def seed(session):
    session.add_all(Plan(name=f"p{i}") for i in range(3))
    session.commit()
    for i in range(20):
        session.add(
            Doc(
                user_id=i, title=f"t{i}", price=decimal.Decimal(i) * decimal.Decimal("1.25"), meta={"x": i},
                tags=["a", str(i)], kind="a" if i % 2 else "b", plan_id=1 + i % 3, flag=i % 3 == 0,
                span=datetime.timedelta(hours=i), raw=bytes([i]), notes=[Note(body=f"n{i}"), Note()],
            )
        )
    session.commit()
    return session.query(Doc).count(), session.query(Note).count()


def loaded(option):
    docs = select(Doc).options(option(Doc.notes)).order_by(Doc.user_id).limit(4)
    return lambda session: [len(doc.notes) for doc in session.execute(docs).unique().scalars()]


def change(session):
    doc = session.execute(select(Doc).where(Doc.user_id == 4)).scalar_one()
    doc.title = "changed"
    doc.notes.pop()
    session.commit()
    return session.query(Note).filter_by(user_id=4).count()


def returning(statement):
    def run(session):
        found = sorted(session.execute(statement).all())
        session.commit()
        return found

    return run


def upsert(session):
    new = insert(Plan.__table__).values([{"name": "p1"}, {"name": "p9"}])
    merged = new.on_conflict_do_update(index_elements=["name"], set_={"name": new.excluded.name + "x"})
    session.execute(merged)
    session.commit()
    return session.execute(select(Plan.name).order_by(Plan.name)).all()


def savepoint(session):
    session.add(Doc(user_id=301, title="a"))
    session.flush()
    try:
        with session.begin_nested():
            session.add(Plan(id=1, name="twice"))
            session.flush()
    except IntegrityError as error:
        print("inner", error.orig.pgcode)
    session.commit()
    return session.query(Doc).filter_by(user_id=301).count()


def serializable(_):
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        count = connection.execute(text("SELECT count(*) FROM sa_doc")).scalar()
        level = connection.execute(text("SHOW transaction isolation level")).scalar()
        return count, level


def server_cursor(_):
    connection = engine.raw_connection()
    cursor = connection.cursor("named")
    cursor.execute("SELECT user_id FROM sa_doc ORDER BY user_id")
    found = cursor.fetchmany(3)
    cursor.scroll(2)
    found += cursor.fetchmany(2)
    cursor.close()
    connection.commit()
    return found


def copies(_):
    connection = engine.raw_connection()
    cursor = connection.cursor()
    cursor.copy_from(io.StringIO("500\tx\n501\ty\n"), "sa_doc", columns=("user_id", "title"))
    connection.commit()
    out = io.StringIO()
    cursor.copy_expert("COPY (SELECT user_id, title FROM sa_doc WHERE user_id >= 500 ORDER BY 1) TO STDOUT CSV", out)
    return cursor.rowcount, out.getvalue()


def many(_):
    connection = engine.raw_connection()
    cursor = connection.cursor()
    new = [(600 + i, "v") for i in range(7)]
    ids = execute_values(cursor, "INSERT INTO sa_doc (user_id, title) VALUES %s RETURNING user_id", new, page_size=3, fetch=True)
    execute_batch(cursor, "UPDATE sa_doc SET title = %s WHERE user_id = %s", [("w", user) for user, _ in new])
    connection.commit()
    cursor.execute("SELECT count(*) FROM sa_doc WHERE title = 'w'")
    return ids, cursor.fetchone()


def reflection(_):
    found = inspect(engine)
    columns = [(c["name"], str(c["type"]), c["nullable"], "identity" in c) for c in found.get_columns("sa_doc")]
    keys = (found.get_foreign_keys("sa_note"), found.get_pk_constraint("sa_doc"), found.get_unique_constraints("sa_plan"))
    enums = [(enum["name"], enum["labels"]) for enum in found.get_enums()]
    tables = MetaData()
    tables.reflect(engine, only=["sa_doc", "sa_note", "sa_plan"])
    return columns, keys, found.get_indexes("sa_note"), enums, sorted(tables.tables)


Base.metadata.create_all(engine)
show("seed", seed)
show("get", rows(select(Doc.title, Doc.price, Doc.tags, Doc.span, Doc.meta).where(Doc.user_id == 5)))
show("page", rows(select(Doc.title).order_by(Doc.price.desc()).limit(3).offset(2)))
show("groups", rows(select(Doc.kind, func.count(), func.sum(Doc.price), func.avg(Doc.price)).group_by(Doc.kind).order_by(Doc.kind)))
show("join", rows(select(Plan.name, func.count(Doc.id)).join(Doc, Doc.plan_id == Plan.id).group_by(Plan.name).order_by(Plan.name)))
of_doc = and_(Note.user_id == Doc.user_id, Note.doc_id == Doc.id)
show("outer join", rows(select(Doc.user_id, Note.body).outerjoin(Note, of_doc).order_by(Doc.user_id, Note.body).limit(5)))
for load in (selectinload, joinedload, subqueryload):
    show(load.__name__ if hasattr(load, "__name__") else "load", loaded(load))
rank = func.row_number().over(partition_by=Doc.kind, order_by=Doc.price.desc())
show("window", rows(select(Doc.user_id, rank).order_by(Doc.user_id)))
dear = select(Doc.user_id).where(Doc.price > 5).cte("dear")
show("with", rows(select(func.count()).select_from(dear)))
one = select(Note.body).where(Note.user_id == Doc.user_id).order_by(Note.body).limit(1).lateral()
show("lateral", rows(select(Doc.user_id, one.c.body).join(one, true()).order_by(Doc.user_id).limit(4)))
show("union", rows(union_all(select(Doc.user_id).where(Doc.user_id < 2), select(Note.user_id).where(Note.user_id > 18)).order_by("user_id")))
show("exists", rows(select(exists().where(Doc.user_id == 3))))
show("json", rows(select(Doc.user_id).where(Doc.meta["x"].astext == "7")))
show("array", rows(select(Doc.user_id).where(Doc.tags.any("3"))))
show("lock", rows(select(Doc.user_id).where(Doc.user_id.in_([1, 2, 3])).order_by(Doc.user_id).with_for_update(skip_locked=True)))
show("stream", lambda session: sum(1 for _ in session.execute(select(Doc).order_by(Doc.user_id).execution_options(yield_per=6)).scalars()))
show("change", change)
show("update", returning(update(Doc).where(Doc.flag.is_(True)).values(price=Doc.price + 1).returning(Doc.user_id, Doc.price)))
new = [{"user_id": 200 + i, "title": f"m{i}"} for i in range(5)]
show("insert", returning(insert(Doc.__table__).values(new).returning(Doc.__table__.c.user_id, Doc.__table__.c.title)))
show("upsert", upsert)
show("delete", returning(delete(Doc).where(Doc.price > 20).returning(Doc.user_id)))
show("savepoint", savepoint)
show("serializable", serializable)
show("server cursor", server_cursor)
show("copy", copies)
show("many", many)
show("reflection", reflection)
Base.metadata.drop_all(engine)
