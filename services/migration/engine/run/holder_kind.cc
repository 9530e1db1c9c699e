#include "services/migration/engine/run/holder_kind.h"

#include <array>
#include <utility>

namespace lockstep::migration {
namespace {

constexpr std::array kNames = {
    std::pair{HolderKind::kOrdinary, std::string_view("ordinary")},
    std::pair{HolderKind::kIdleInTransaction, std::string_view("idle_in_transaction")},
    std::pair{HolderKind::kDump, std::string_view("dump")},
    std::pair{HolderKind::kVacuum, std::string_view("vacuum")},
    std::pair{HolderKind::kWraparoundVacuum, std::string_view("wraparound_vacuum")},
    std::pair{HolderKind::kWalsender, std::string_view("walsender")},
    std::pair{HolderKind::kPreparedTransaction, std::string_view("prepared_transaction")},
};

}  // namespace

std::string_view ToText(HolderKind kind) {
  for (const auto& [known, name] : kNames) {
    if (known == kind) return name;
  }
  return "";
}

std::optional<HolderKind> CancellableKind(std::string_view text) {
  for (const HolderKind kind : {HolderKind::kOrdinary, HolderKind::kIdleInTransaction,
                                HolderKind::kDump, HolderKind::kWraparoundVacuum}) {
    if (ToText(kind) == text) return kind;
  }
  return std::nullopt;
}

HolderKind KindOf(const SessionTraits& session) {
  if (session.backend_type == "walsender") return HolderKind::kWalsender;
  if (session.backend_type == "autovacuum worker") {
    return session.query.ends_with("(to prevent wraparound)") ? HolderKind::kWraparoundVacuum
                                                              : HolderKind::kVacuum;
  }
  if (session.application.starts_with("pg_dump")) return HolderKind::kDump;
  if (session.state.starts_with("idle in transaction") && session.in_state >= kIdleFor) {
    return HolderKind::kIdleInTransaction;
  }
  return HolderKind::kOrdinary;
}

}  // namespace lockstep::migration
