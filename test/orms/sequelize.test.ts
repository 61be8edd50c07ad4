// Sequelize with Umzug: migrations, models, transactions and introspection, as on one PostgreSQL.

import { col, DataTypes, fn, literal, Op, type QueryInterface, Sequelize } from 'sequelize';
import { type RunnableMigration, SequelizeStorage, Umzug } from 'umzug';
import { expect, test } from 'vitest';
import type { Login } from '../support/proxy.ts';
import { type DriveApp, expectSameOnBoth, type NewFile } from './drive-app.ts';

test('a drive application by Sequelize sees the same as on one PostgreSQL', async () => {
  await expectSameOnBoth(open);
});

type Migration = Pick<RunnableMigration<QueryInterface>, 'up' | 'down'> & { readonly name: string };

const ID = { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true };
const USER_ID = {
  type: DataTypes.INTEGER,
  allowNull: false,
  references: { model: 'users', key: 'id' },
};

const MIGRATIONS: readonly Migration[] = [
  {
    name: '1-users',
    up: ({ context }) =>
      context.createTable('users', {
        id: ID,
        email: { type: DataTypes.STRING(200), allowNull: false, unique: true },
        created_at: { type: DataTypes.DATE, allowNull: false },
      }),
    down: ({ context }) => context.dropTable('users'),
  },
  {
    name: '2-folders-and-files',
    async up({ context }) {
      await context.createTable('folders', {
        id: { ...ID, autoIncrementIdentity: true },
        user_id: USER_ID,
        name: { type: DataTypes.TEXT, allowNull: false },
      });
      await context.addConstraint('folders', { fields: ['user_id', 'id'], type: 'unique' });
      await context.createTable(
        'files',
        {
          id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true },
          user_id: { ...USER_ID, onDelete: 'CASCADE' },
          folder_id: { type: DataTypes.INTEGER, allowNull: false },
          path: { type: DataTypes.TEXT, allowNull: false },
          size: { type: DataTypes.BIGINT, allowNull: false, defaultValue: 0 },
        },
        { uniqueKeys: { files_path: { fields: ['user_id', 'path'] } } },
      );
      await context.addConstraint('files', {
        name: 'files_folder',
        type: 'foreign key',
        fields: ['user_id', 'folder_id'],
        // Its types know one column only.
        references: { table: 'folders', fields: ['user_id', 'id'] } as never,
        onDelete: 'cascade',
        onUpdate: 'cascade',
      });
      await context.addIndex('files', { fields: ['folder_id', { name: 'size', order: 'DESC' }] });
    },
    async down({ context }) {
      await context.dropTable('files');
      await context.dropTable('folders');
    },
  },
  {
    name: '3-trash',
    async up({ context }) {
      await context.sequelize.transaction(async (transaction) => {
        const state = DataTypes.ENUM('kept', 'trashed');
        const column = { type: state, allowNull: false, defaultValue: 'kept' };
        await context.addColumn('files', 'state', column, { transaction });
        await context.changeColumn(
          'files',
          'path',
          { type: DataTypes.STRING(900) },
          { transaction },
        );
        await context.renameColumn('files', 'state', 'status', { transaction });
      });
    },
    async down({ context }) {
      await context.removeColumn('files', 'status');
      await context.sequelize.query('DROP TYPE enum_files_state');
    },
  },
];

const columnsOf = ({ userId, folderId, path, size }: NewFile) => {
  return { user_id: userId, folder_id: folderId, path, size };
};

/** The models' tables, as the application knows them. */
function modelsOf(sequelize: Sequelize) {
  const options = { timestamps: false, underscored: true };
  const users = sequelize.define(
    'users',
    { id: ID, email: DataTypes.STRING },
    { ...options, timestamps: true, updatedAt: false },
  );
  const id = { ...ID, type: DataTypes.BIGINT };
  const name = DataTypes.TEXT;
  const folders = sequelize.define(
    'folders',
    { id: ID, user_id: DataTypes.INTEGER, name },
    options,
  );
  const files = sequelize.define(
    'files',
    {
      id,
      user_id: DataTypes.INTEGER,
      folder_id: DataTypes.INTEGER,
      path: DataTypes.TEXT,
      size: DataTypes.BIGINT,
    },
    options,
  );
  folders.hasMany(files, { foreignKey: 'folder_id' });
  files.belongsTo(folders, { foreignKey: 'folder_id' });
  files.belongsTo(users, { foreignKey: 'user_id' });
  return { users, folders, files };
}

async function open({ host, port, database, user, password }: Login): Promise<DriveApp> {
  const sequelize = new Sequelize(database, user, password, {
    host,
    port,
    dialect: 'postgres',
    logging: false,
    pool: { max: 4 },
  });
  const { users, folders, files } = modelsOf(sequelize);
  const context = sequelize.getQueryInterface();
  const umzug = new Umzug({
    migrations: [...MIGRATIONS],
    context,
    storage: new SequelizeStorage({ sequelize }),
    logger: undefined,
  });
  const plain = <T>(rows: { get(options: { plain: true }): unknown }[]): T[] =>
    rows.map((row) => row.get({ plain: true }) as T);
  return {
    up: async () => (await umzug.up()).map(({ name }) => name),
    down: async () => (await umzug.down({ to: 0 })).map(({ name }) => name),
    introspect: async () => ({
      tables: (await context.showAllTables()).toSorted(),
      described: await Promise.all(
        ['users', 'folders', 'files'].map((t) => context.describeTable(t)),
      ),
      indexes: await context.showIndex('files').then((all) =>
        // Its oids and the oid of the table are the server's own.
        (all as object[]).map((each) => ({ ...each, oid: null, indrelid: null })),
      ),
      databases: await context.tableExists('files'),
    }),
    insertUsers: async (emails) =>
      plain(await users.bulkCreate(emails.map((email) => ({ email })))),
    insertFolders: async (rows) =>
      plain(await folders.bulkCreate(rows.map(({ userId, name }) => ({ user_id: userId, name })))),
    insertFiles: async (rows) => plain(await files.bulkCreate(rows.map(columnsOf))),
    upsertFiles: async (rows) =>
      plain<{ path: string; size: string }>(
        await files.bulkCreate(rows.map(columnsOf), {
          updateOnDuplicate: ['size'],
          conflictAttributes: ['user_id', 'path'],
          returning: ['path', 'size'],
        }),
      ).map(({ path, size }) => ({ path, size })),
    async tree(userId) {
      const found = await folders.findAll({
        where: { user_id: userId },
        include: { model: files, where: { user_id: userId }, required: false },
        order: [
          ['name', 'ASC'],
          [files, 'path', 'ASC'],
        ],
      });
      return plain<{ name: string; files: { path: string }[] }>(found).map((folder) => ({
        name: folder.name,
        files: folder.files.map(({ path }) => path),
      }));
    },
    async listing() {
      const found = await files.findAll({
        attributes: ['path', 'size', [col('user.email'), 'email'], [col('folder.name'), 'name']],
        include: [
          { model: users, attributes: [], required: true },
          {
            model: folders,
            attributes: [],
            required: true,
            on: {
              id: { [Op.eq]: col('files.folder_id') },
              user_id: { [Op.eq]: col('files.user_id') },
            },
          },
        ],
        order: [['path', 'ASC']],
      });
      return plain<{ email: string; name: string; path: string; size: string }>(found).map(
        ({ name, ...rest }) => ({ ...rest, folder: name }),
      );
    },
    async page(offset, limit) {
      const { count, rows } = await files.findAndCountAll({ offset, limit, order: ['path'] });
      return { total: count, paths: plain<{ path: string }>(rows).map(({ path }) => path) };
    },
    async usage() {
      const found = await files.findAll({
        attributes: [
          [col('user.email'), 'email'],
          [literal('count(*)::int'), 'files'],
          [fn('sum', col('size')), 'bytes'],
        ],
        include: { model: users, attributes: [], required: true },
        group: [col('user.email') as never],
        having: sequelize.where(fn('count', '*'), Op.gt, 1),
        order: [col('user.email')],
        raw: true,
      });
      return found as never;
    },
    grow: (userIds, by, duplicate, fresh) =>
      sequelize.transaction(async (transaction) => {
        await files.increment({ size: by }, { where: { user_id: [...userIds] }, transaction });
        const code = await sequelize
          .transaction({ transaction }, (inner) =>
            files.create(columnsOf(duplicate), { transaction: inner }),
          )
          .then(
            () => 'none',
            (error: { parent?: { code?: string } }) => error.parent?.code ?? '?',
          );
        await files.create(columnsOf(fresh), { transaction });
        return code;
      }),
    async abandon(row) {
      const transaction = await sequelize.transaction();
      await files.create(columnsOf(row), { transaction });
      const there = { where: { user_id: row.userId, path: row.path }, transaction };
      expect(await files.count(there)).toBe(1);
      await transaction.rollback();
    },
    deleteFiles: (userId) => files.destroy({ where: { user_id: userId } }),
    async raw(text, values = []) {
      const [rows] = await sequelize.query(text, { bind: [...values] });
      return rows;
    },
    close: () => sequelize.close(),
  };
}
