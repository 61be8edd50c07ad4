"""Django: its own migrations, its models and queries; prints what it sees, a line each."""

import datetime
import decimal
import io
import sys
from urllib.parse import urlsplit

import django
from django.conf import settings

url = urlsplit(sys.argv[1])
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": url.hostname,
            "PORT": url.port,
            "NAME": url.path[1:],
            "USER": url.username,
            "PASSWORD": url.password,
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_app"],
    USE_TZ=True,
    TIME_ZONE="Europe/Berlin",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.db.models import (
    Avg, Case, Count, Exists, F, Max, OuterRef, Q, StdDev, Subquery, Sum, Value, When, Window,
)
from django.db.models.functions import RowNumber, TruncMonth

from .models import Doc, Note, Plan

docs = Doc.objects


def values(query, *names):
    return list(query.values_list(*names))


def seed():
    for i in range(3):
        Plan.objects.create(name=f"p{i}")
    plans = list(Plan.objects.order_by("name"))
    for i in range(20):
        doc = docs.create(
            user_id=i, title=f"t{i}", price=decimal.Decimal(i) * 2, meta={"x": i, "y": {"z": [i]}},
            tags=["a", str(i)], plan=plans[i % 3], flag=i % 2 == 0,
            day=datetime.date(2026, 1, 1 + i), span=datetime.timedelta(hours=i),
        )
        Note.objects.create(user_id=i, doc=doc, body=f"n{i}")
    return docs.count()


def save():
    doc = docs.get(user_id=6)
    doc.title = "saved"
    doc.save()
    return values(docs.filter(user_id=6), "title")


def bulk():
    made = docs.bulk_create(Doc(user_id=100 + i, title=f"b{i}") for i in range(5))
    for doc in made:
        doc.title = "bulk"
    docs.bulk_update(made, ["title"])
    return docs.filter(title="bulk").count(), len({doc.id for doc in made})


def nested():
    with transaction.atomic():
        docs.filter(user_id=8).update(title="in")
        try:
            with transaction.atomic():
                Plan.objects.create(name="p1")
        except IntegrityError as error:
            print("inner", error.__cause__.pgcode)
        docs.filter(user_id=9).update(title="in")
    return docs.filter(title="in").count()


@transaction.atomic
def locked(query):
    return values(query, "user_id")


def alter():
    field = models.IntegerField(null=True)
    field.set_attributes_from_name("extra")
    wider = models.BigIntegerField(null=True, db_index=True)
    wider.set_attributes_from_name("extra")
    check = models.CheckConstraint(check=Q(price__gte=0), name="dj_check")
    with connection.schema_editor() as editor:
        editor.add_field(Doc, field)
        editor.alter_field(Doc, field, wider)
        editor.add_index(Doc, models.Index(fields=["title"], name="dj_index"))
        editor.add_constraint(Doc, check)
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, "dj_doc")
    with connection.schema_editor() as editor:
        editor.remove_constraint(Doc, check)
        editor.remove_field(Doc, wider)
    return sorted(name for name in found if name.startswith("dj_") and "not_null" not in name)


def inspect():
    text = io.StringIO()
    call_command("inspectdb", "dj_note", stdout=text)
    return text.getvalue()[-300:]


def show(name, seen):
    print(f"{name}: {seen!r}")


call_command("migrate", verbosity=0)
show("migrated", sorted(connection.introspection.table_names()))
with connection.schema_editor() as editor:
    for model in (Plan, Doc, Note):
        editor.create_model(model)
show("seed", seed())
show("get", values(docs.filter(user_id=5), "title", "price", "meta", "tags", "flag", "day", "span"))
show("order", values(docs.order_by("-price")[2:5], "title"))
show("all", docs.aggregate(s=Sum("price"), a=Avg("price"), c=Count("*"), m=Max("day"), d=StdDev("price")))
show("groups", list(docs.values("flag").annotate(n=Count("id"), s=Sum("price")).order_by("flag")))
show("join", list(Plan.objects.annotate(n=Count("doc")).order_by("name").values_list("name", "n")))
show("related", [doc.plan.name for doc in docs.select_related("plan").order_by("user_id")[:4]])
show("prefetch", [len(doc.note_set.all()) for doc in docs.prefetch_related("note_set").order_by("user_id")])
show("columns", docs.filter(price__gt=F("user_id")).count())
show("or", values(docs.filter(Q(user_id__lt=2) | Q(title__icontains="19")).order_by("user_id"), "user_id"))
show("exclude", docs.exclude(note__body="n3").count())
body = Note.objects.filter(user_id=OuterRef("user_id")).values("body")[:1]
show("sub-query", values(docs.annotate(b=Subquery(body)).order_by("user_id")[:3], "user_id", "b"))
show("exists", docs.filter(Exists(Note.objects.filter(user_id=OuterRef("user_id"), body="n7"))).count())
rank = Window(RowNumber(), partition_by=[F("flag")], order_by=F("price").desc())
show("window", values(docs.annotate(r=rank).order_by("user_id")[:5], "user_id", "r"))
show("months", list(docs.annotate(m=TruncMonth("day")).values("m").annotate(n=Count("*")).order_by("m")))
show("week day", values(docs.filter(day__week_day=2).order_by("user_id"), "user_id"))
kind = Case(When(price__gt=20, then=Value("hi")), default=Value("lo"))
show("case", values(docs.annotate(k=kind).values("k").annotate(n=Count("*")).order_by("k"), "k", "n"))
show("json", values(docs.filter(meta__y__z__contains=[3]), "user_id"))
show("array", docs.filter(tags__overlap=["3", "4"]).count())
show("in", docs.filter(plan__in=Plan.objects.filter(name="p0")).count())
show("distinct on", values(docs.order_by("flag", "-price").distinct("flag"), "flag", "price"))
show("union", sorted(docs.filter(user_id=1).values_list("user_id").union(docs.filter(user_id=2).values_list("user_id")).iterator()))
show("cursor", [doc.user_id for doc in docs.order_by("-user_id").iterator(chunk_size=3)])
show("bulk get", len(docs.in_bulk()))
show("update", docs.filter(user_id=4).update(title="x", price=F("price") + 1))
show("update all", docs.filter(flag=True).update(price=F("price") * 2))
show("save", save())
show("bulk", bulk())
show("ignore", len(Plan.objects.bulk_create([Plan(name="p1"), Plan(name="p7")], ignore_conflicts=True)))
show("get or create", Plan.objects.get_or_create(name="p8")[1])
show("update or create", docs.update_or_create(user_id=7, defaults={"title": "seven"})[1])
show("locked", locked(docs.select_for_update(of=("self",)).filter(user_id__in=[1, 2]).order_by("user_id")))
show("skipped", locked(docs.select_for_update(skip_locked=True).order_by("user_id")[:2]))
show("nested", nested())
show("delete", docs.filter(user_id__in=[10, 11]).delete())
show("raw", [doc.title for doc in docs.raw("SELECT * FROM dj_doc WHERE user_id = %s", [12])])
show("dates", list(docs.dates("day", "month")))
show("user", User.objects.create_user("bob", "b@example.org", "pw").check_password("pw"))
show("alter", alter())
show("inspect", inspect())
call_command("flush", verbosity=0, interactive=False)
show("flushed", User.objects.count())
