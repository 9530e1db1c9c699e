#include "services/migration/engine/run/catalog/catalog_image.h"

#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/json/json.h"
#include "common/status/macros.h"
#include "services/migration/engine/ownership.h"
#include "services/migration/engine/parse_tree.h"
#include "services/migration/engine/run/catalog/catalog_queries.h"
#include "services/migration/engine/sha256.h"

namespace lockstep::migration {
namespace {

using What = CatalogDifference::What;
using Key = std::pair<std::string, std::string>;

constexpr char kBegin[] =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = '';"
    // What is printed of a view waits for whoever holds its tables closed.
    " SET LOCAL lock_timeout = '500ms';"
    " SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL intervalstyle = "
    "'postgres'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'";

// The relation, type or function that the object is a part of; the object itself when it is none.
std::string WholeOf(const Key& key, const std::string& facts) {
  const auto& [kind, name] = key;
  if (kind == "index") {
    const nlohmann::json parsed = nlohmann::json::parse(facts, nullptr, false);
    return name.substr(0, name.find('.') + 1) +
           (parsed.is_object() ? parsed.value("table", std::string()) : "");
  }
  if (IsIn(kind, {"column", "constraint", "trigger", "policy", "rule"})) {
    return name.substr(0, name.rfind('.'));
  }
  return name;
}

// The moment of "'2026-11-28 12:04:11.52'::timestamp ..."; nullopt = it is no such constant.
std::optional<absl::Time> FrozenMoment(const std::string& expression) {
  const std::size_t end = expression.find("'::");
  if (expression.size() < 12 || expression[0] != '\'' || end == std::string::npos) {
    return std::nullopt;
  }
  const std::string_view type = std::string_view(expression).substr(end + 3);
  if (!type.starts_with("timestamp") && !type.starts_with("date")) return std::nullopt;
  const std::string text = expression.substr(1, end - 1);
  absl::Time moment;
  std::string error;
  for (const char* format : {"%Y-%m-%d %H:%M:%E*S%Ez", "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d"}) {
    const std::string padded =
        std::string_view(format).ends_with("%Ez") && text.size() > 3 && text[text.size() - 3] == '+'
            ? text + ":00"
            : text;
    if (absl::ParseTime(format, padded, &moment, &error)) return moment;
  }
  return std::nullopt;
}

// Whether both are what was once 'now': the expected one was computed while the image was built.
bool WereBothNow(const CatalogImage& expected, const std::string& from, const std::string& to) {
  const std::optional<absl::Time> built = FrozenMoment(from);
  if (!built.has_value() || !FrozenMoment(to).has_value()) return false;
  // A date has no time of day.
  return *built >= expected.built_from - absl::Hours(24) &&
         *built <= expected.built_until + absl::Seconds(1);
}

std::string FactText(const nlohmann::json& value) {
  if (value.is_null()) return "none";
  return value.is_string() ? value.get<std::string>() : JsonText(value);
}

DriftSeverity SeverityOfFact(std::string_view fact) {
  if (IsIn(fact, {"position", "comment", "statistics", "storage", "compression", "clustered",
                  "tablespace", "cache", "populated"})) {
    return DriftSeverity::kMild;
  }
  if (IsIn(fact, {"type",       "not null",      "definition",
                  "validated",  "valid",         "ready",
                  "values",     "base",          "constraints",
                  "attributes", "enabled",       "using",
                  "check",      "command",       "roles",
                  "permissive", "row security",  "forced row security",
                  "generated",  "identity",      "persistence",
                  "parents",    "partition key", "partition bound"})) {
    return DriftSeverity::kSevere;
  }
  return DriftSeverity::kUsual;
}

DriftSeverity SeverityOfObject(std::string_view kind) {
  if (kind == "statistics") return DriftSeverity::kMild;
  return IsIn(kind, {"index", "sequence", "extension", "collation", "default privileges"})
             ? DriftSeverity::kUsual
             : DriftSeverity::kSevere;
}

// Compares two images of one server.
class Comparison {
 public:
  Comparison(const CatalogImage& expected, const CatalogImage& actual)
      : expected_(expected), actual_(actual) {}

  std::vector<CatalogDifference> Run();

 private:
  void Whole(const CatalogImage& from, const CatalogImage& other, What what);
  void Facts(const Key& key, const std::string& expected, const std::string& actual);
  CatalogDifference& Add(const Key& key, What what);

  const CatalogImage& expected_;
  const CatalogImage& actual_;
  std::vector<CatalogDifference> differences_;
};

CatalogDifference& Comparison::Add(const Key& key, What what) {
  CatalogDifference& difference = differences_.emplace_back();
  difference.what = what;
  difference.kind = key.first;
  difference.name = key.second;
  difference.owner = OwnerOf(key.second.substr(0, key.second.find('.')));
  return difference;
}

void Comparison::Whole(const CatalogImage& from, const CatalogImage& other, What what) {
  std::set<std::string> gone;
  for (const auto& [key, facts] : from.objects) {
    if (!other.objects.contains(key) && WholeOf(key, facts) == key.second) gone.insert(key.second);
  }
  for (const auto& [key, facts] : from.objects) {
    const std::string whole = WholeOf(key, facts);
    if (other.objects.contains(key) || (whole != key.second && gone.contains(whole))) continue;
    Add(key, what).severity = SeverityOfObject(key.first);
  }
}

void Comparison::Facts(const Key& key, const std::string& expected, const std::string& actual) {
  const nlohmann::json from = nlohmann::json::parse(expected, nullptr, false);
  const nlohmann::json to = nlohmann::json::parse(actual, nullptr, false);
  std::set<std::string> names;
  for (const auto* facts : {&from, &to}) {
    for (const auto& [name, value] : facts->items()) names.insert(name);
  }
  const nlohmann::json none;
  for (const std::string& name : names) {
    const nlohmann::json& one = from.contains(name) ? from[name] : none;
    const nlohmann::json& other = to.contains(name) ? to[name] : none;
    if (one == other || WereBothNow(expected_, FactText(one), FactText(other))) continue;
    CatalogDifference& difference = Add(key, What::kChanged);
    difference.fact = name;
    difference.expected = FactText(one);
    difference.actual = FactText(other);
    difference.severity = SeverityOfFact(name);
  }
}

std::vector<CatalogDifference> Comparison::Run() {
  Whole(expected_, actual_, What::kMissing);
  Whole(actual_, expected_, What::kUnexpected);
  for (const auto& [key, facts] : expected_.objects) {
    const auto other = actual_.objects.find(key);
    if (other != actual_.objects.end() && other->second != facts) {
      Facts(key, facts, other->second);
    }
  }
  std::stable_sort(differences_.begin(), differences_.end(), [](const auto& a, const auto& b) {
    return std::tie(a.name, a.kind, a.fact) < std::tie(b.name, b.kind, b.fact);
  });
  return std::move(differences_);
}

}  // namespace

std::string CatalogImage::fingerprint() const {
  std::string text;
  for (const auto& [key, facts] : objects) {
    absl::StrAppend(&text, key.first, "\x01", key.second, "\x01", facts, "\n");
  }
  return absl::StrCat("v", kCatalogImageVersion, ":", server_version, ":", Sha256Hex(text));
}

std::string_view ToText(DriftSeverity severity) {
  if (severity == DriftSeverity::kSevere) return "severe";
  return severity == DriftSeverity::kUsual ? "usual" : "mild";
}

std::string CatalogDifference::text() const {
  const std::string what_it_is = kind + " " + name;
  if (what == What::kMissing) return what_it_is + " is missing";
  if (what == What::kUnexpected) return what_it_is + " is not expected";
  return what_it_is + ": " + fact + " is " + actual + " instead of " + expected;
}

absl::StatusOr<CatalogImage> ReadCatalogImage(pg::Connection& connection,
                                              const ImageOptions& options) {
  CatalogImage image;
  image.server_version = connection.server_version() / 10'000;
  const std::string schemas =
      pg::ArrayLiteral(options.schemas.empty() ? OwnedSchemas() : options.schemas);
  RETURN_IF_ERROR(connection.Script(kBegin).status());
  for (const std::string& query :
       CatalogQueries(image.server_version, options.with_sequence_values)) {
    absl::StatusOr<pg::Result> rows = connection.Query(query, schemas);
    if (!rows.ok()) {
      // What went wrong is told by the query; that the rollback fails as well tells no more.
      (void)connection.Script("ROLLBACK");
      return rows.status();
    }
    for (const pg::Row row : *rows) {
      image.objects.insert_or_assign({row.Text("kind"), row.Text("name")}, row.Text("facts"));
    }
  }
  RETURN_IF_ERROR(connection.Script("COMMIT").status());
  return image;
}

std::vector<CatalogDifference> CompareImages(const CatalogImage& expected,
                                             const CatalogImage& actual) {
  return Comparison(expected, actual).Run();
}

bool IsOnlyMild(const std::vector<CatalogDifference>& differences) {
  return std::all_of(differences.begin(), differences.end(), [](const auto& difference) {
    return difference.severity == DriftSeverity::kMild;
  });
}

}  // namespace lockstep::migration
