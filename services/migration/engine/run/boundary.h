// Proof that a step stayed inside the schemas of its service.
//
// The parser refuses what it can see; DO blocks, functions, triggers and opaque statements can
// still reset the role or change limits. So before a step's ledger row is written, its own
// transaction is asked what it did: no catalog row of an undeclared schema may have been written by
// it (xmin), none may be gone (counts), no row of an undeclared table may have been touched (the
// transaction's own counters). A foreign key writes the row of the table that it points to, so of
// declared references that row is compared, but for what a foreign key changes. Pure: only makes
// SQL.
#pragma once

#include <string>
#include <vector>

#include "services/migration/engine/model.h"

namespace lockstep::migration {

// What a step may change and refer to.
struct Boundary {
  std::vector<std::string> schemas;  // of its service
  std::vector<std::string>
      references;  // tables of others that foreign keys may point to: "core.platforms"
  // Of an imported history, which may make schemas and fill those that no service owns: instead of
  // `schemas`, those that it may not change.
  std::vector<std::string> forbidden;
};

Boundary BoundaryOf(const Revision& revision);

// "ARRAY['a','b']::text[]"
std::string TextArraySql(const std::vector<std::string>& values);

// A SELECT of one row before the step: xid, counts, written, referenced (all text). Its values go
// into ViolationsSql.
std::string BaselineSql(const Boundary& boundary);

// A SELECT of one column `violation` after the step; no rows = it kept inside. The arguments are
// SQL expressions of type text that give what BaselineSql returned.
std::string ViolationsSql(const Boundary& boundary, const std::string& xid,
                          const std::string& counts, const std::string& written,
                          const std::string& referenced);

// Whether the parser sees every effect of the script, so that the cheap check
// (migration.assert_step) is as good. What it cannot see is code that earlier revisions attached to
// a table and that an ALTER TABLE makes run again (the checks and generated columns of a table that
// is written anew): that code was under the full check when it was attached, not when it runs.
bool HidesNothing(const Script& script, const Boundary& boundary);

}  // namespace lockstep::migration
