# Active Record: migrations with their lock, models and queries; prints what it sees, a line each.

require 'active_record'

ActiveRecord::Base.establish_connection(ARGV[0])
ActiveRecord::Migration.verbose = false

class CreateAll < ActiveRecord::Migration[6.1]
  def change
    create_table(:ar_plans) do |t|
      t.string :name, null: false
      t.timestamps
    end
    create_table(:ar_documents, primary_key: %i[user_id id]) do |t|
      t.bigint :user_id, null: false
      t.bigserial :id
      t.string :title
      t.jsonb :meta, default: {}
      t.string :tags, array: true, default: []
      t.integer :status, default: 0
      t.decimal :price, precision: 10, scale: 2
      t.date :due
      t.boolean :flag
      t.bigint :plan_id
      t.uuid :token, default: 'gen_random_uuid()'
      t.timestamps
    end
    add_index :ar_documents, :title
    add_index :ar_documents, %i[user_id status], name: 'ar_by_status'
  end
end

class Change < ActiveRecord::Migration[6.1]
  def change
    add_column :ar_documents, :size, :bigint, default: 0, null: false
    rename_column :ar_documents, :due, :due_on
    change_column_default :ar_documents, :status, from: 0, to: 1
    add_check_constraint :ar_documents, 'price >= 0', name: 'ar_price'
    add_foreign_key :ar_documents, :ar_plans, column: :plan_id
  end
end

class IndexConcurrently < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!

  def change
    add_index :ar_documents, :status, algorithm: :concurrently
  end
end

class Plan < ActiveRecord::Base
  self.table_name = 'ar_plans'
  has_many :documents
end

class Document < ActiveRecord::Base
  self.table_name = 'ar_documents'
  self.primary_key = 'id'
  belongs_to :plan, optional: true
  validates :title, uniqueness: { scope: :user_id }, allow_nil: true
end

def show(name)
  puts "#{name}: #{yield.inspect}"
end

# The error's own class and SQLSTATE.
def refused
  yield
rescue ActiveRecord::StatementInvalid => e
  [e.class.name, e.cause.result.error_field(PG::Result::PG_DIAG_SQLSTATE)]
end

db = ActiveRecord::Base.connection
MIGRATIONS = [CreateAll, Change, IndexConcurrently].each_with_index.map { |each, i| each.new(each.name, i + 1) }

def migrate(direction, version)
  ActiveRecord::Migrator.new(direction, MIGRATIONS, ActiveRecord::SchemaMigration, version).migrate
end

show('up') { migrate(:up, 3).map(&:name) }
show('down') { migrate(:down, 1).map(&:name) }
show('up again') { migrate(:up, 3).map(&:name) }
show('versions') { ActiveRecord::SchemaMigration.order(:version).pluck(:version) }
show('columns') { Document.columns.map { |each| [each.name, each.sql_type, each.null, each.default] } }
show('indexes') { db.indexes('ar_documents').map { |each| [each.name, each.columns, each.unique] }.sort }
show('keys') { db.foreign_keys('ar_documents').map { |each| [each.column, each.to_table] } }
show('checks') { db.check_constraints('ar_documents').map { |each| [each.name, each.expression] } }
show('primary') { db.primary_keys('ar_documents') }
show('plans') { 3.times.map { |i| Plan.create!(name: "p#{i}").name } }
show('create') do
  plan = Plan.find_by(name: 'p0')
  12.times do |i|
    Document.create!(user_id: i, title: "t#{i}", price: i * 1.5, tags: ["a#{i}", 'b'], meta: { x: i },
                     due_on: Date.new(2026, 1, i + 1), plan: plan, flag: i.even?)
  end
  Document.count
end
show('find') { Document.find_by(user_id: 5).attributes.slice('title', 'meta', 'tags', 'status', 'price', 'due_on', 'flag') }
show('order') { Document.order(price: :desc).limit(3).pluck(:title, :price) }
show('sums') { [Document.sum(:price), Document.average(:price), Document.maximum(:due_on)] }
show('groups') { Document.group(:flag).order(:flag).count }
show('having') { Document.group(:flag).having('count(*) > 1').order(:flag).maximum(:price) }
show('join') { Document.joins(:plan).where(plan: { name: 'p0' }).count }
show('preload') { Document.preload(:plan).order(:user_id).map { |each| each.plan.name } }
show('eager') { Document.eager_load(:plan).order(:user_id).limit(3).map { |each| [each.user_id, each.plan.name] } }
show('unique') { [Document.new(user_id: 1, title: 't1').valid?, Document.new(user_id: 2, title: 't1').valid?] }
show('update') { Document.find_by(user_id: 3).update!(title: 'new') && Document.where(user_id: 3).pluck(:title) }
show('update all') { Document.where(flag: true).update_all('price = price + 1') }
show('increment') { Document.find_by(user_id: 4).increment!(:size, 5).size }
show('lock') { Document.transaction { Document.lock.find_by(user_id: 4).title } }
show('insert all') do
  now = Time.now
  rows = [30, 31].map { |user| { user_id: user, title: "u#{user}", created_at: now, updated_at: now } }
  Document.insert_all(rows, returning: %w[user_id title], unique_by: %i[user_id id]).to_a
end
show('batches') { Document.in_batches(of: 4).sum(&:count) }
show('each') { Document.find_each(batch_size: 5).count }
show('exists') { [Document.exists?(user_id: 1), Document.where('price > 1000').exists?, Document.where(user_id: 77).none?] }
show('nested') do
  Document.transaction do
    Document.create!(user_id: 50, title: 'x')
    Document.transaction(requires_new: true) do
      Document.create!(user_id: 51, title: 'y')
      raise ActiveRecord::Rollback
    end
    Document.where(user_id: [50, 51]).count
  end
end
show('json') { Document.where("meta->>'x' = '3'").pluck(:user_id) }
show('array') { Document.where("'a3' = ANY(tags)").pluck(:user_id) }
show('sub-query') { Document.where(plan_id: Plan.where(name: 'p0').select(:id)).count }
show('pick') { Document.where(user_id: 1..5).pick(Arel.sql('count(*), sum(price)')) }
show('left join') { Document.left_outer_joins(:plan).where(plan: { id: nil }).order(:user_id).pluck(:user_id) }
show('delete') { [Document.where(user_id: 11).delete_all, Document.find_by(user_id: 10).destroy.destroyed?] }
show('null') { refused { Document.create!(title: 'q') } }
show('check') { refused { Document.create!(user_id: 1, title: 'neg', price: -1) } }
show('twice') { refused { Document.create!(user_id: 5, id: Document.find_by(user_id: 5).id) } }
show('foreign') { refused { Document.create!(user_id: 5, plan_id: 0) } }
show('failed') do
  refused do
    Document.transaction do
      Document.create!(user_id: 60, title: 'z')
      db.execute('SELECT 1/0')
    end
  end
end
show('not kept') { Document.where(user_id: 60).count }
show('new column') do
  db.add_column(:ar_documents, :extra, :integer, default: 7)
  Document.reset_column_information
  [2, 3, 4].map { |user| Document.find_by(user_id: user).extra }
end
show('dump') do
  dump = StringIO.new
  ActiveRecord::SchemaDumper.dump(db, dump)
  dump.string.lines.grep(/ar_/).map(&:strip)
end
show('advisory lock') { [db.get_advisory_lock(77), db.release_advisory_lock(77)] }
show('truncated') { db.truncate_tables('ar_documents', 'ar_plans') && Document.count }
