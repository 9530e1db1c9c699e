#include "services/migration/engine/run/partitioned_index.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/json/json.h"
#include "common/killpoint/killpoint.h"
#include "common/pg/connection.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/partitioned_sql.h"
#include "services/migration/engine/run/catalog_state.h"
#include "services/migration/engine/run/preflight.h"
#include "services/migration/engine/run/standby_spacing.h"
#include "services/migration/engine/run/statement_text.h"
#include "services/migration/engine/sql.h"

namespace lockstep::migration {
namespace {

using killpoint::Killpoint;

// A build may meet partitions that come and go, but not for ever: so often in a row a round may
// change nothing.
constexpr int kIdleRounds = 3;

std::string Quoted(const std::string& schema, const std::string& name) {
  return pg::QuoteIdentifier(schema) + "." + pg::QuoteIdentifier(name);
}

std::string Quoted(const IndexBuild& index) { return Quoted(index.schema, index.name); }

RelationLock Closes(const std::string& schema, const std::string& name,
                    Reach reach = Reach::kItself) {
  return {.schema = schema, .name = name, .mode = LockMode::kAccessExclusive, .reach = reach};
}

// The part of `build` for `partition`.
IndexBuild PartOf(const IndexBuild& build, const Partition& partition) {
  return {.schema = partition.schema,
          .name = PartIndexName(build.schema + "." + build.name, partition.qualified()),
          .table = partition.name,
          .definition = build.definition};
}

std::string CreateText(const IndexBuild& part, const IndexShape& shape, std::string_view how,
                       std::string_view only) {
  return absl::StrFormat("CREATE %sINDEX %s%s ON %s%s %s", shape.is_unique ? "UNIQUE " : "",
                         std::string(how), pg::QuoteIdentifier(part.name), std::string(only),
                         Quoted(part.schema, part.table), shape.rest);
}

// What is there of the parts, to tell whether a round changed anything.
std::string Fingerprint(const std::vector<Partition>& partitions) {
  std::string text;
  for (const Partition& partition : partitions) {
    text += std::to_string(partition.oid) + partition.attached_name +
            (partition.is_attached_valid ? "+" : "-") + ";";
  }
  return text;
}

bool IsThere(const std::vector<Partition>& partitions, std::uint32_t oid) {
  return std::any_of(partitions.begin(), partitions.end(),
                     [&](const Partition& partition) { return partition.oid == oid; });
}

}  // namespace

absl::Status PartitionedIndex::CheckDefinition(const IndexBuild& build) {
  ASSIGN_OR_RETURN(const auto there, LookAtIndex(session_.connection, build));
  if (!there.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool is_same, IsDefinedAs(*there, build));
  return is_same ? absl::OkStatus() : IndexInTheWay(task_, build, *there);
}

absl::Status PartitionedIndex::MakeOnly(const std::string& statement, const IndexBuild& index) {
  // SHARE on the partitioned table itself, whose writers wait for it; its partitions are not
  // locked. It reads no row.
  Preflight preflight = Preflight::ForLocks(
      session_, task_, {{.schema = index.schema, .name = index.table, .mode = LockMode::kShare}});
  return alone_.SendPolitely(statement, preflight);
}

absl::Status PartitionedIndex::Build(const IndexBuild& build, const std::string& parent_statement,
                                     bool is_ours) {
  ASSIGN_OR_RETURN(const auto before, LookAtIndex(session_.connection, build));
  if (before.has_value() && !is_ours) {
    // Somebody else's, valid or not; IF NOT EXISTS is content with one that is as defined.
    ASSIGN_OR_RETURN(const bool is_same, IsDefinedAs(*before, build));
    if (before->is_valid && is_same && HasWords(parent_statement, "if not exists")) {
      return absl::OkStatus();
    }
    return Error(absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
                 task_.text() + ": index " + build.schema + "." + build.name +
                     " is there already and was not made by this step; drop or rename it, or "
                     "give the index of the step another name");
  }
  std::string seen;
  for (int idle = 0; idle < kIdleRounds;) {
    RETURN_IF_ERROR(MayGoOn(session_));
    ASSIGN_OR_RETURN(const auto parent, LookAtIndex(session_.connection, build));
    if (!parent.has_value()) {
      RETURN_IF_ERROR(MakeOnly(parent_statement, build));
      Killpoint("partitioned_parent_made");
      ++idle;
      continue;
    }
    RETURN_IF_ERROR(CheckDefinition(build));
    if (parent->is_valid) return absl::OkStatus();
    RETURN_IF_ERROR(GiveParts(build));
    ASSIGN_OR_RETURN(const std::vector<Partition> now,
                     LoadPartitions(session_.connection, build.schema, build.name));
    const std::string fingerprint = Fingerprint(now);
    idle = fingerprint == seen ? idle + 1 : 0;
    seen = fingerprint;
  }
  ASSIGN_OR_RETURN(const auto after, LookAtIndex(session_.connection, build));
  if (after.has_value() && after->is_valid) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "STEP_FAILED",
      task_.text() + ": index " + build.schema + "." + build.name +
          " stays invalid although every partition was given its part; look at "
          "pg_index.indisvalid of its parts (pg_partition_tree), mend what is invalid with "
          "REINDEX INDEX CONCURRENTLY, and run again");
}

absl::Status PartitionedIndex::GiveParts(const IndexBuild& build) {
  ASSIGN_OR_RETURN(const std::vector<Partition> partitions,
                   LoadPartitions(session_.connection, build.schema, build.name));
  int attached = static_cast<int>(
      std::count_if(partitions.begin(), partitions.end(),
                    [](const Partition& partition) { return partition.is_attached(); }));
  if (attached == static_cast<int>(partitions.size())) return Revalidate(build, partitions);
  for (Partition partition : partitions) {
    if (partition.is_attached()) continue;
    if (partition.parent_index.empty()) {
      // That of an upper level was only just made.
      ASSIGN_OR_RETURN(const auto now,
                       LoadPartitions(session_.connection, build.schema, build.name));
      const auto same = std::find_if(now.begin(), now.end(), [&](const Partition& other) {
        return other.oid == partition.oid;
      });
      if (same == now.end() || same->is_attached() || same->parent_index.empty()) continue;
      partition = *same;
    }
    const absl::Status given = GivePart(build, partition);
    if (!given.ok()) {
      if (session_.connection.is_lost() || ReasonOf(given) != "STEP_FAILED") return given;
      // It may have been dropped or detached meanwhile, or been given its part by somebody else.
      ASSIGN_OR_RETURN(const auto now,
                       LoadPartitions(session_.connection, build.schema, build.name));
      if (IsThere(now, partition.oid)) return given;
      continue;
    }
    Happening done = task_.Event(
        "partition_indexed",
        absl::StrFormat("index %s.%s: partition %s has its part, %d of %d", build.schema,
                        build.name, partition.qualified(), ++attached, partitions.size()));
    done.details["partition"] = partition.qualified();
    done.details["done"] = attached;
    done.details["total"] = partitions.size();
    session_.journal.Emit(std::move(done));
    RETURN_IF_ERROR(FlushEvents(session_));
  }
  return absl::OkStatus();
}

absl::Status PartitionedIndex::GivePart(const IndexBuild& build, const Partition& partition) {
  if (partition.is_foreign) {
    return Error(absl::StatusCode::kFailedPrecondition, "NON_TRANSACTIONAL_UNSUPPORTED",
                 task_.text() + ": " + partition.qualified() +
                     " is a foreign table or has one below it, so index " + build.schema + "." +
                     build.name + " could never become valid; detach it first");
  }
  ASSIGN_OR_RETURN(const auto shape, LoadIndexShape(session_.connection, build.schema, build.name));
  // Dropped by somebody meanwhile: the next round begins anew.
  if (!shape.has_value()) return absl::OkStatus();
  const IndexBuild part = PartOf(build, partition);
  if (partition.is_partitioned) {
    RETURN_IF_ERROR(GivePartOfPartitioned(part, *shape));
  } else {
    RETURN_IF_ERROR(builder_.Build(part, CreateText(part, *shape, "CONCURRENTLY ", ""), true));
  }
  Killpoint("partitioned_part_made");
  RETURN_IF_ERROR(Attach(part, partition));
  Killpoint("partitioned_part_attached");
  return absl::OkStatus();
}

absl::Status PartitionedIndex::GivePartOfPartitioned(const IndexBuild& part,
                                                     const IndexShape& shape) {
  RETURN_IF_ERROR(CheckDefinition(part));
  ASSIGN_OR_RETURN(const auto there, LookAtIndex(session_.connection, part));
  if (there.has_value()) return absl::OkStatus();
  return MakeOnly(CreateText(part, shape, "", "ONLY "), part);
}

absl::Status PartitionedIndex::Attach(const IndexBuild& part, const Partition& partition) {
  // Whoever reads or writes the partition opens its indexes, so this one is held by others as well.
  Preflight preflight = Preflight::ForLocks(session_, task_, {Closes(part.schema, part.name)});
  return alone_.SendPolitely(
      "ALTER INDEX " + partition.parent_index + " ATTACH PARTITION " + Quoted(part), preflight);
}

absl::Status PartitionedIndex::Revalidate(const IndexBuild& build,
                                          const std::vector<Partition>& partitions) {
  if (partitions.empty()) {
    // The partitions for which it was invalid are gone. One that is made without any is valid.
    RETURN_IF_ERROR(Drop(build.schema, build.name));
    return absl::OkStatus();
  }
  // From the bottom up. Attaching what is attached makes the server look at the parent again.
  for (auto part = partitions.rbegin(); part != partitions.rend(); ++part) {
    const std::string name = Quoted(part->attached_schema, part->attached_name);
    if (!part->is_attached_valid && !part->is_partitioned) {
      RETURN_IF_ERROR(alone_.Send("REINDEX INDEX CONCURRENTLY " + name, alone_.Unlimited()));
    }
    if (!part->is_attached_valid && part->is_partitioned) continue;
    Preflight preflight =
        Preflight::ForLocks(session_, task_, {Closes(part->attached_schema, part->attached_name)});
    RETURN_IF_ERROR(alone_.SendPolitely(
        "ALTER INDEX " + part->parent_index + " ATTACH PARTITION " + name, preflight));
  }
  return absl::OkStatus();
}

absl::Status PartitionedIndex::DropUnattached(const IndexShape& shape, const IndexBuild& build) {
  ASSIGN_OR_RETURN(const auto partitions,
                   LoadPartitions(session_.connection, build.schema, build.name));
  // The lower levels first.
  for (auto partition = partitions.rbegin(); partition != partitions.rend(); ++partition) {
    if (partition->is_attached()) continue;
    const IndexBuild part = PartOf(build, *partition);
    ASSIGN_OR_RETURN(const auto there, builder_.AwaitBuilder(part));
    if (!there.has_value()) continue;
    ASSIGN_OR_RETURN(const auto own, LoadIndexShape(session_.connection, part.schema, part.name));
    const bool is_ours = own.has_value() && own->table == partition->qualified() &&
                         own->rest == shape.rest && own->is_unique == shape.is_unique;
    if (!is_ours) continue;
    RETURN_IF_ERROR(partition->is_partitioned ? Drop(part.schema, part.name)
                                              : builder_.DropLeftover(part));
    Killpoint("partitioned_part_dropped");
  }
  return absl::OkStatus();
}

absl::Status PartitionedIndex::Drop(const std::string& schema, const std::string& name) {
  ASSIGN_OR_RETURN(const auto shape, LoadIndexShape(session_.connection, schema, name));
  if (!shape.has_value()) return absl::OkStatus();
  const IndexBuild build{.schema = schema, .name = name, .table = {}, .definition = {}};
  RETURN_IF_ERROR(DropUnattached(*shape, build));
  const std::string table = shape->table.substr(shape->table.find('.') + 1);
  const std::string table_schema = shape->table.substr(0, shape->table.find('.'));
  RETURN_IF_ERROR(SpaceOut(session_, task_));
  Preflight preflight =
      Preflight::ForLocks(session_, task_,
                          {Closes(table_schema, table), Closes(table_schema, table, Reach::kHeirs),
                           Closes(schema, name), Closes(schema, name, Reach::kHeirs)});
  RETURN_IF_ERROR(alone_.SendPolitely("DROP INDEX IF EXISTS " + Quoted(schema, name), preflight));
  HasClosed(session_);
  Killpoint("partitioned_dropped");
  return absl::OkStatus();
}

}  // namespace lockstep::migration
