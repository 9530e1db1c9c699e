// What the DROPs of a script name, of the kinds that tables, views and functions depend on.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "services/migration/engine/model.h"

namespace lockstep::migration {

struct DroppedObject {
  enum class Kind {
    kRelation,    // table, view, materialized view, foreign table, sequence, index
    kColumn,      // of a table: ALTER TABLE .. DROP COLUMN
    kConstraint,  // of a table: ALTER TABLE .. DROP CONSTRAINT
    kType,        // domains, too
    kCollation,
    kFunction,  // procedures and aggregates, too
    kSchema,
    kExtension,
  };
  Kind kind = Kind::kRelation;
  std::string schema;  // "" of extensions
  std::string name;    // "" of a schema; of a column or constraint: its table's
  std::string part;    // of a column or constraint: its name
  // kFunction: types of the input arguments as to_regtype() reads them; nullopt = not given, it is
  // the only one of its name.
  std::optional<std::vector<std::string>> arguments = {};
  bool cascades = false;
  bool is_view = false;  // kRelation: a plain view, which a later CREATE VIEW may make again

  // As a person writes it: "core.orders", "core.orders.note", "extension citext".
  std::string text() const;
};

struct ObjectChanges {
  std::vector<DroppedObject> dropped;  // in order
  std::set<std::string> made;  // "schema.name" of views and tables that are created or replaced
};

// Names without a schema are PostgreSQL's own or temporary, and left out. What DO blocks and
// functions do cannot be seen. Parses the text again; empty for an opaque script. Pure;
// thread-safe.
ObjectChanges ReadObjectChanges(const Script& script);

}  // namespace lockstep::migration
