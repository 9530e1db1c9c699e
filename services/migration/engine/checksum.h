// Checksums that tell whether a file of an applied step was edited.
//
// SHA-256 over length-prefixed parts, so that no two different sequences of parts give the same
// bytes. Scripts count by their tokens: comments and white space do not matter, the case of
// keywords does not matter, strings and identifiers count exactly. The prefix names the version of
// these rules. Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/migration/engine/model.h"

namespace lockstep::migration {

// Version of the rules; in front of every checksum.
inline constexpr char kChecksumVersion[] = "v1:";

// "transactional", "non-transactional", "privileged", "backfill", "view rewrite". Part of checksums
// and of what people see: never to change.
std::string_view KindText(StepKind kind);

// Over the tokens of `text`; over its bytes without surrounding white space when not even the
// scanner can read it.
std::string TextChecksum(std::string_view text);

// Over kind, name and the checksums of up, down and expect. Limits and description may change
// freely.
std::string StepChecksum(const Step& step);

// Over the identity (id, service, down_revision, depends_on), the rules (phase, oldest_build,
// references, supersedes_verify, irreversible, archive, destroys), the steps, verify and guard.
// Words for people (title, index, created), aliases, limits and suppressions may change freely.
std::string RevisionChecksum(const Revision& revision);

// "v1:" + hex SHA-256 over the parts, each with its length in front.
std::string PartsChecksum(const std::vector<std::string_view>& parts);

}  // namespace lockstep::migration
