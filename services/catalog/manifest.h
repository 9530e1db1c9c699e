// What this build of the catalog needs of the database.
#pragma once

#include "common/revision_gate/build_manifest.h"

namespace lockstep::catalog {

// Generated when the service is built, from its SQL and the migrations folder (lockstep_manifest in
// CMakeLists.txt). A constant of the program; thread-safe.
const revision_gate::BuildManifest& Manifest();

}  // namespace lockstep::catalog
