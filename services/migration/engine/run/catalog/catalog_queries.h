// The queries behind catalog_image.h; each returns kind, name and facts.
#pragma once

#include <string>
#include <vector>

namespace lockstep::migration {

// The schemas of all services, without the ledger's.
std::vector<std::string> OwnedSchemas();

// $1: names of schemas. `server_version`: major.
std::vector<std::string> CatalogQueries(int server_version, bool with_sequence_values);

}  // namespace lockstep::migration
