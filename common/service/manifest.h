// A build's manifest for people and for the registry.
#pragma once

#include <string>
#include <string_view>

#include "common/revision_gate/build_manifest.h"

namespace lockstep::service {

// A JSON object of several lines, with the members of lockstep.migration.v1.BuildManifest: build,
// uses, footprint. Pure.
[[nodiscard]] std::string ManifestJson(const revision_gate::BuildManifest& manifest,
                                       std::string_view build);

// The revision of its own schemas that a service was built for; "" when the manifest says nothing
// of `service`. Pure.
[[nodiscard]] std::string BuiltFor(const revision_gate::BuildManifest& manifest,
                                   std::string_view service);

}  // namespace lockstep::service
