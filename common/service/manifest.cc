#include "common/service/manifest.h"

#include "common/json/json.h"

namespace lockstep::service {

std::string ManifestJson(const revision_gate::BuildManifest& manifest, std::string_view build) {
  nlohmann::ordered_json document = {{"build", std::string(build)},
                                     {"uses", nlohmann::ordered_json::array()},
                                     {"footprint", manifest.footprint}};
  for (const revision_gate::SchemaUse& use : manifest.uses) {
    document["uses"].push_back({{"service", use.service},
                                {"required_revision", use.required_revision},
                                {"built_for", use.built_for}});
  }
  return document.dump(2);
}

std::string BuiltFor(const revision_gate::BuildManifest& manifest, std::string_view service) {
  for (const revision_gate::SchemaUse& use : manifest.uses) {
    if (use.service == service) return use.built_for;
  }
  return "";
}

}  // namespace lockstep::service
