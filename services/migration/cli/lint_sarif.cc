#include "services/migration/cli/lint_sarif.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "common/json/json.h"
#include "services/migration/engine/lint/rule_page.h"

namespace lockstep::cli {
namespace {

namespace pb = lockstep::migration::v1;
using Json = nlohmann::ordered_json;

std::string_view LevelOf(const pb::LintFinding& finding) {
  if (finding.level() == pb::LINT_LEVEL_ERROR) return "error";
  return finding.level() == pb::LINT_LEVEL_WARNING ? "warning" : "note";
}

// A path as a URI reference (RFC 3986).
std::string UriOf(std::string_view path) {
  constexpr std::string_view kPlain = "-._~/";
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string uri;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                          (byte >= 'a' && byte <= 'z') || kPlain.find(c) != std::string_view::npos;
    if (is_plain) {
      uri += c;
    } else {
      uri += {'%', kHex[byte >> 4U], kHex[byte & 0xFU]};
    }
  }
  return uri;
}

Json RuleOf(const std::string& id) {
  const migration::RulePage& page = *migration::FindRule(id);
  return {{"id", id},
          {"name", page.name},
          {"shortDescription", {{"text", page.title}}},
          {"fullDescription", {{"text", page.hazard}}},
          {"help", {{"text", page.safe_form}, {"markdown", page.markdown}}}};
}

Json ResultOf(const pb::LintFinding& finding, int rule_index) {
  Json region = {{"startLine", std::max(1, finding.line())}};
  if (finding.column() > 0) region["startColumn"] = finding.column();
  Json result = {
      {"ruleId", finding.rule()},
      {"ruleIndex", rule_index},
      {"level", LevelOf(finding)},
      {"message", {{"text", finding.message() + "\n" + finding.safe_form()}}},
      {"locations",
       {{{"physicalLocation",
          {{"artifactLocation", {{"uri", UriOf(finding.file())}}}, {"region", region}}}}}}};
  if (!finding.suppressed_because().empty()) {
    result["suppressions"] = {
        {{"kind", "inSource"}, {"justification", finding.suppressed_because()}}};
  }
  return result;
}

}  // namespace

std::string SarifDocument(const pb::LintResponse& response, const std::string& version) {
  std::map<std::string, int> indexes;
  Json rules = Json::array();
  Json results = Json::array();
  for (const pb::LintFinding& finding : response.findings()) {
    const auto [index, is_new] = indexes.insert({finding.rule(), static_cast<int>(indexes.size())});
    if (is_new) rules.push_back(RuleOf(finding.rule()));
    results.push_back(ResultOf(finding, index->second));
  }
  const Json driver = {{"name", "lockstep lint"}, {"version", version}, {"rules", rules}};
  const Json document = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                         {"version", "2.1.0"},
                         {"runs",
                          {{{"tool", {{"driver", driver}}},
                            {"columnKind", "unicodeCodePoints"},
                            {"results", results}}}}};
  return JsonText(document, 1);
}

}  // namespace lockstep::cli
