// Texts of the statements that build an index of a partitioned table CONCURRENTLY, partition by
// partition, which PostgreSQL has no statement for. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lockstep::migration {

// What makes the parent index, which is invalid until every partition has its part: the statement
// of a CREATE INDEX CONCURRENTLY with ON ONLY instead. nullopt when it says ONLY itself, or is
// something else.
std::optional<std::string> ParentIndexStatement(std::string_view create_index_concurrently);

// The name of the part of index `index` ("core.p_n_idx") for the partition `part` ("core.p_1"),
// without schema: the same in every database and after every crash, and like no name that a person
// would choose, "p_n_idx_p_1_0c9f6d21". At most 63 bytes.
std::string PartIndexName(std::string_view index, std::string_view part);

}  // namespace lockstep::migration
