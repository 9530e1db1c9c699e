// The SQL that brings archived data back (archive.h), as the ledger keeps it. Pure.
//
// It runs when the upgrade has made the table again, so it goes by what the table looks like then:
// only columns that both sides have, by name, and never generated ones. What was archived stays
// where it is until it expires. Run inside a transaction it leaves the number of rows that came
// back in the setting `lockstep.restored`.
#pragma once

#include <string>
#include <vector>

namespace lockstep::migration {

// Inserts the rows of `kept_as` into `source`, both "schema.table". Rows whose key is there already
// are left out: by `key`, or by the table's primary key when that is empty; of a table that has
// none, all rows come back. Sequences of the table go on behind the highest value.
std::string RestoreRowsSql(const std::string& source, const std::string& kept_as,
                           const std::vector<std::string>& key);

// Sets `columns` of the rows that are still there, found by `key`.
std::string RestoreValuesSql(const std::string& source, const std::string& kept_as,
                             const std::vector<std::string>& key,
                             const std::vector<std::string>& columns);

}  // namespace lockstep::migration
