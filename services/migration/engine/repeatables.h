// The repeatable definitions of a migrations folder: which files there are, whose objects are
// whose, and in which order they are applied.
#pragma once

#include <string>
#include <vector>

#include "services/migration/engine/model.h"
#include "services/migration/engine/problem.h"
#include "services/migration/engine/repeatable_reader.h"

namespace lockstep::migration {

// Folder of a service that holds them; no revision's folder.
inline constexpr char kRepeatableFolder[] = "repeatable";

// Reads <root>/<service>/repeatable/*.sql of every service and orders them. All problems at once.
std::vector<Repeatable> LoadRepeatables(const std::string& root, std::vector<Problem>& problems);

// Brings them into an order in which each comes after those that create what it refers to and those
// that it names; ties by service and name. Completes Repeatable::after. Problems: an object that
// two of them create, a cycle with its members, a name in "-- after:" that there is not. Pure.
std::vector<Repeatable> OrderRepeatables(std::vector<ReadRepeatableResult> read,
                                         std::vector<Problem>& problems);

// Warns of unreleased revisions that create what a repeatable definition creates as well: the
// repeatable one wins at the end of every upgrade. Those of a release were there first.
void WarnOfSharedObjects(const Definitions& definitions, std::vector<Problem>& warnings);

}  // namespace lockstep::migration
