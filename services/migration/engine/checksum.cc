#include "services/migration/engine/checksum.h"

#include <openssl/sha.h>

#include <array>
#include <cctype>
#include <cstdint>

#include "services/migration/engine/script_checksum.h"
#include "services/migration/engine/sha256.h"

namespace lockstep::migration {
namespace {

std::string_view TextOf(Phase phase) {
  switch (phase) {
    case Phase::kLegacy:
      return "legacy";
    case Phase::kExpand:
      return "expand";
    case Phase::kMigrate:
      return "migrate";
    case Phase::kContract:
      return "contract";
  }
  return "";
}

// Collects parts, each with its length in front; lists with their number of members.
class Parts {
 public:
  Parts& Add(std::string_view part) {
    AddNumber(part.size());
    bytes_.append(part);
    return *this;
  }
  Parts& Add(const std::vector<std::string>& list) {
    AddNumber(list.size());
    for (const std::string& part : list) Add(part);
    return *this;
  }
  void AddNumber(std::size_t number) {
    const auto value = static_cast<std::uint64_t>(number);
    for (int shift = 56; shift >= 0; shift -= 8) {
      bytes_ += static_cast<char>(static_cast<unsigned char>(value >> shift));
    }
  }
  std::string Checksum() const { return kChecksumVersion + Sha256Hex(bytes_); }

 private:
  std::string bytes_;
};

// What a backfill declares, not the SQL that is made of it, which a later program may word
// otherwise. Sizes and limits may change while it is under way.
void AddBackfill(const Step& step, Parts& parts) {
  const Backfill& backfill = step.backfill;
  parts.Add(backfill.table).Add(backfill.key).Add(TextChecksum(backfill.where));
  for (const auto* columns : {&backfill.set, &backfill.set_back}) {
    parts.AddNumber(columns->size());
    for (const ColumnExpression& column : *columns) {
      parts.Add(column.column).Add(TextChecksum(column.expression));
    }
  }
  parts.Add(backfill.trigger).Add(backfill.set.empty() ? step.up.checksum : "");
  parts.Add(TextChecksum(backfill.undo_sql));
}

void AddViewRewrite(const ViewRewrite& rewrite, Parts& parts) {
  parts.AddNumber(rewrite.rows.size());
  for (const ComparedRows& rows : rewrite.rows) {
    parts.Add(rows.relation).Add(TextChecksum(rows.where));
  }
  parts.AddNumber(rewrite.views.size());
  for (const ComparedView& view : rewrite.views) {
    parts.Add(view.view).Add(view.without_limit ? "without limit" : "as it is");
    parts.Add(view.except_columns).Add(view.key).Add(view.retyped_columns);
    parts.AddNumber(view.tolerances.size());
    for (const Tolerance& tolerance : view.tolerances) {
      parts.Add(tolerance.column).Add(tolerance.within);
    }
  }
}

std::string_view TrimSpace(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string_view KindText(StepKind kind) {
  switch (kind) {
    case StepKind::kTransactional:
      return "transactional";
    case StepKind::kNonTransactional:
      return "non-transactional";
    case StepKind::kPrivileged:
      return "privileged";
    case StepKind::kBackfill:
      return "backfill";
    case StepKind::kViewRewrite:
      return "view rewrite";
  }
  return "";
}

std::string Sha256Hex(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * digest.size());
  for (const unsigned char byte : digest) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 0xF];
  }
  return hex;
}

std::string TokensChecksum(std::string_view text, const std::optional<std::vector<Token>>& tokens) {
  Parts parts;
  if (!tokens.has_value()) {
    parts.Add("bytes").Add(TrimSpace(text));
    return parts.Checksum();
  }
  parts.Add("tokens");
  for (const Token& token : *tokens) {
    if (token.is_comment) continue;
    const std::string_view exact = text.substr(token.begin, token.end - token.begin);
    if (!token.is_keyword) {
      parts.Add(exact);
      continue;
    }
    std::string folded(exact);
    for (char& c : folded) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    parts.Add(folded);
  }
  return parts.Checksum();
}

std::string TextChecksum(std::string_view text) {
  const std::string copy(text);
  // The scanner reads up to the first U+0000; such text is bytes.
  if (copy.find('\0') != std::string::npos) return TokensChecksum(copy, std::nullopt);
  return TokensChecksum(copy, ScanTokens(copy));
}

std::string StepChecksum(const Step& step) {
  Parts parts;
  parts.Add("step").Add(KindText(step.kind)).Add(step.name);
  if (step.kind == StepKind::kBackfill) {
    AddBackfill(step, parts);
  } else {
    parts.Add(step.up.checksum).Add(step.down.checksum);
  }
  if (step.kind == StepKind::kViewRewrite) AddViewRewrite(step.view_rewrite, parts);
  parts.Add(step.expect.checksum);
  if (!step.copy_data.empty()) parts.Add(Sha256Hex(step.copy_data));
  return parts.Checksum();
}

std::string RevisionChecksum(const Revision& revision) {
  Parts parts;
  parts.Add("revision")
      .Add(revision.id)
      .Add(revision.service)
      .Add(revision.down_revision)
      .Add(revision.depends_on)
      .Add(TextOf(revision.phase))
      .Add(revision.oldest_build)
      .Add(revision.references)
      .Add(revision.supersedes_verify)
      .Add(revision.irreversible_reason.empty() ? "reversible" : "irreversible")
      .Add(revision.archive_forbidden_reason.empty() ? "archivable" : "not archivable");
  parts.AddNumber(revision.destroys.size());
  for (const DestroyedData& data : revision.destroys) {
    parts.Add(data.table).Add(data.key).Add(data.columns).Add(data.where);
  }
  parts.AddNumber(revision.steps.size());
  for (const Step& step : revision.steps) parts.Add(step.checksum);
  parts.Add(revision.verify.checksum).Add(revision.guard.checksum);
  if (revision.phase == Phase::kLegacy) parts.Add(revision.search_path);
  return parts.Checksum();
}

std::string PartsChecksum(const std::vector<std::string_view>& list) {
  Parts parts;
  for (const std::string_view part : list) parts.Add(part);
  return parts.Checksum();
}

}  // namespace lockstep::migration
