// A migrations folder for tests of the footprint, with SQL of their own.
#pragma once

#include <string>

#include "tests/unit/services/migration/folder.h"

namespace lockstep::migration::footprint {

// Adds a revision that runs `up`.
inline void AddSql(const MigrationsFolder& folder, const std::string& service,
                   const std::string& id, const std::string& more, const std::string& up) {
  folder.AddRevision(service, id, more);
  const std::string at = service + "/" + id + "_x/";
  folder.Write(at + "up.sql", up);
  folder.Write(at + "down.sql", "SELECT 1;\n");
  folder.Write(at + "verify.sql", "SELECT 1 WHERE false;\n");
}

// Three revisions of orders and two of the catalog:
//   cccc01   core.platforms (id, slug), core.inbox (event_id)
//   dddd01   transactions.orders (id, status, platform_id)
//   dddd02   transactions.orders.notes; view transactions.order_names (id, slug)
//   cccc02   core.platforms.active
//   dddd03   an index only
inline void AddSuite(const MigrationsFolder& folder) {
  AddSql(folder, "catalog", "cccc01", "",
         "CREATE TABLE core.platforms (id uuid PRIMARY KEY, slug text);\n"
         "CREATE TABLE core.inbox (event_id uuid PRIMARY KEY);\n");
  AddSql(
      folder, "orders", "dddd01", "depends_on: \"cccc01\"\n",
      "CREATE TABLE transactions.orders (id uuid PRIMARY KEY, status text, platform_id uuid);\n");
  AddSql(folder, "orders", "dddd02", "down_revision: \"dddd01\"\nreferences: \"core.platforms\"\n",
         "ALTER TABLE transactions.orders ADD COLUMN notes text;\n"
         "CREATE VIEW transactions.order_names AS\n"
         "SELECT o.id, p.slug FROM transactions.orders AS o\n"
         "JOIN core.platforms AS p ON p.id = o.platform_id;\n");
  AddSql(folder, "catalog", "cccc02", "down_revision: \"cccc01\"\n",
         "ALTER TABLE core.platforms ADD COLUMN active boolean;\n");
  AddSql(folder, "orders", "dddd03", "down_revision: \"dddd02\"\n",
         "CREATE INDEX orders_status_idx ON transactions.orders (status);\n");
}

}  // namespace lockstep::migration::footprint
