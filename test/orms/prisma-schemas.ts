// The application's schema in Prisma's language, as it was written one day after the other.

export const HEAD = `
generator client {
  provider = "prisma-client"
  output = "./client"
  engineType = "client"
}
datasource db {
  provider = "postgresql"
}`;

const users = (relations: string) => `
model User {
  id Int @id @default(autoincrement())
  email String @unique @db.VarChar(200)
  createdAt DateTime @default(now()) @map("created_at") @db.Timestamptz(6)
  ${relations}
  @@map("users")
}`;

const foldersAndFiles = (columns: string) => `
${users('folders Folder[]\n  files File[]')}
model Folder {
  id Int @id @default(autoincrement())
  userId Int @map("user_id")
  name String
  user User @relation(fields: [userId], references: [id])
  files File[]
  @@unique([userId, id])
  @@map("folders")
}
model File {
  id BigInt @id @default(autoincrement())
  userId Int @map("user_id")
  folderId Int @map("folder_id")
  path String
  size BigInt @default(0)
  ${columns}
  user User @relation(fields: [userId], references: [id], onDelete: Cascade)
  folder Folder @relation(fields: [userId, folderId], references: [userId, id], onDelete: Cascade)
  @@unique([userId, path])
  @@index([folderId])
  @@map("files")
}`;

/** The schema as it was written one day after the other. */
export const SCHEMAS: Readonly<Record<string, string>> = {
  '1_users': HEAD + users(''),
  '2_folders_and_files': HEAD + foldersAndFiles(''),
  '3_trash': `${HEAD}
enum State {
  kept
  trashed
}
${foldersAndFiles('state State @default(kept)\n  labels String[] @default([])')}`,
};

export const current = SCHEMAS['3_trash']!;
