// Everything in the owned schemas, as facts by name: what two databases are compared by.
//
// Names, not numbers, say what is the same: order of creation, oids and internal counters do not
// count. What the server computes from text (definitions of views, defaults, constraints) is taken
// as it prints it with an empty search path, so two images are comparable when the same version of
// PostgreSQL made them.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/pg/connection.h"

namespace lockstep::migration {

// Changes when an image of the same database would be another one.
inline constexpr int kCatalogImageVersion = 1;

struct CatalogImage {
  int server_version = 0;  // major: 15
  // {"table", "core.orders"} -> facts as a JSON object, in the server's canonical form.
  std::map<std::pair<std::string, std::string>, std::string> objects;
  // When it was being built, where that matters: a default that was 'now' when it was created is a
  // constant from then on. Both infinite past = it was not.
  absl::Time built_from = absl::InfinitePast();
  absl::Time built_until = absl::InfinitePast();

  // "v1:15:" + hex SHA-256 over all facts.
  std::string fingerprint() const;
};

// How much a difference matters.
enum class DriftSeverity {
  kMild,    // the order of columns, a comment, statistics: no statement works differently
  kUsual,   // an index, a default, a grant, an option
  kSevere,  // a table, a column, a constraint, a type: statements fail, or data is at risk
};
std::string_view ToText(DriftSeverity severity);

struct CatalogDifference {
  enum class What { kMissing, kUnexpected, kChanged };
  What what = What::kChanged;
  std::string kind;   // table, column, index, ...
  std::string name;   // "core.orders.note"
  std::string owner;  // service that owns the schema; "" = none
  std::string fact;   // kChanged: which one, such as "default"
  std::string expected;
  std::string actual;
  DriftSeverity severity = DriftSeverity::kUsual;

  // "column core.orders.note: default is 1 instead of 0".
  std::string text() const;
};

struct ImageOptions {
  // Where the values of sequences stand: for what is to be as it was, not for what others use.
  bool with_sequence_values = false;
  // Instead of the owned ones.
  std::vector<std::string> schemas = {};
};

// Reads the image in one snapshot. REQUIRES: not inside a transaction. The connection's search path
// stays as it is.
absl::StatusOr<CatalogImage> ReadCatalogImage(pg::Connection& connection,
                                              const ImageOptions& options = {});

// What `actual` has not, or has otherwise than `expected`. Parts of something that is missing or
// unexpected are not told. Sorted by kind and name. Pure.
std::vector<CatalogDifference> CompareImages(const CatalogImage& expected,
                                             const CatalogImage& actual);

// The worst first, then by name; those that are only mild can be left out by the caller.
bool IsOnlyMild(const std::vector<CatalogDifference>& differences);

}  // namespace lockstep::migration
