#include "services/migration/engine/run/scratch/rehearse.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/json/json.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "services/migration/engine/run/engine.h"
#include "services/migration/engine/run/scratch/scratch_database.h"
#include "services/migration/engine/run/session.h"

namespace lockstep::migration {
namespace {

using What = CatalogDifference::What;

// Of rows that an object "rows" tells.
std::int64_t CountOf(const CatalogImage& image, const std::string& table) {
  const auto rows = image.objects.find({"rows", table});
  if (rows == image.objects.end()) return 0;
  return nlohmann::json::parse(rows->second, nullptr, false).value("count", std::int64_t{0});
}

// "123456 7" -> 7: how many values of a column are not NULL.
std::int64_t ValuesOf(const CatalogImage& image, const std::string& table,
                      const std::string& column) {
  const auto rows = image.objects.find({"rows", table});
  if (rows == image.objects.end()) return 0;
  const nlohmann::json facts = nlohmann::json::parse(rows->second, nullptr, false);
  const std::string text = facts.value("values of " + column, std::string());
  const std::size_t space = text.find(' ');
  return space == std::string::npos ? 0 : std::stoll(text.substr(space + 1));
}

bool IsValueOfRows(const CatalogDifference& difference) {
  return difference.kind == "rows" && difference.fact.starts_with("values of ");
}

// Nothing but the order of columns, which ADD COLUMN cannot choose.
bool IsOnlyOrder(const std::vector<CatalogDifference>& differences) {
  return std::all_of(differences.begin(), differences.end(),
                     [](const auto& difference) { return difference.fact == "position"; });
}

// Whether values of a column that stays, of as many rows as before, became others.
bool IsOverwritten(const CatalogDifference& difference, const CatalogImage& before,
                   const CatalogImage& after) {
  return IsValueOfRows(difference) && difference.actual != "none" &&
         difference.expected != "none" &&
         CountOf(before, difference.name) == CountOf(after, difference.name);
}

// What `after` has not any more of `before`, with what it held.
std::vector<std::string> LossesOf(const CatalogImage& before, const CatalogImage& after) {
  std::vector<std::string> losses;
  for (const CatalogDifference& difference : CompareImages(before, after)) {
    const std::string& name = difference.name;
    if (difference.what == What::kMissing && difference.kind == "table") {
      losses.push_back(absl::StrCat("table ", name, ", ", CountOf(before, name), " rows"));
    } else if (difference.what == What::kMissing && difference.kind == "column") {
      const std::size_t dot = name.rfind('.');
      losses.push_back(absl::StrCat("column ", name, ", ",
                                    ValuesOf(before, name.substr(0, dot), name.substr(dot + 1)),
                                    " values"));
    } else if (IsOverwritten(difference, before, after)) {
      losses.push_back(absl::StrCat(difference.fact, " in ", name, " are others"));
    } else if (difference.kind == "rows" && difference.fact == "count") {
      losses.push_back(absl::StrCat("rows of ", name, ": ", difference.expected, " before, ",
                                    difference.actual, " after"));
    }
  }
  return losses;
}

// One revision after the other on one scratch database.
class Rehearsal {
 public:
  Rehearsal(const Context& context, const ScratchDatabase& scratch, const Graph& graph,
            CatalogImage before, Trip trip, bool verifies)
      : context_(context),
        scratch_(scratch),
        engine_(Comparing(scratch.options(), verifies), graph.definitions()),
        trip_(trip),
        verifies_(verifies),
        before_(std::move(before)) {}

  absl::StatusOr<RehearsedRevision> Next(const Revision& revision);

 private:
  absl::Status Up(const Revision& revision, absl::Duration& took,
                  std::vector<StepMeasurement>* measured = nullptr);
  std::vector<StepCertificate> Certify(const Revision& revision,
                                       std::vector<StepMeasurement> measured) const;
  absl::Status Down(const Revision& revision, absl::Duration& took);
  absl::StatusOr<CatalogImage> Look() const;
  absl::Status Judge(const Revision& revision, RehearsedRevision& rehearsed);
  // Views are equal on all rows, not on a part of them.
  static EngineOptions Comparing(EngineOptions options, bool compares) {
    options.compares_views = compares;
    return options;
  }
  static bool Declares(const Revision& revision);

  const Context& context_;
  const ScratchDatabase& scratch_;
  Engine engine_;
  const Trip trip_;
  // What must hold of all rows need not hold of a part of them.
  const bool verifies_;
  const absl::Time began_ = absl::Now();
  CatalogImage before_;
};

absl::StatusOr<CatalogImage> Rehearsal::Look() const {
  ASSIGN_OR_RETURN(const auto connection, scratch_.Connect());
  ASSIGN_OR_RETURN(CatalogImage image,
                   ReadCatalogImage(*connection, {.with_sequence_values = true}));
  RETURN_IF_ERROR(AddRows(*connection, image));
  image.built_from = began_;
  image.built_until = absl::Now();
  return image;
}

absl::Status Rehearsal::Up(const Revision& revision, absl::Duration& took,
                           std::vector<StepMeasurement>* measured) {
  NullEventSink sink;
  RunOptions run;
  // There are no builds here that a gate could wait for.
  run.force_gate = "rehearsal";
  run.measured = measured;
  run.verify = verifies_;
  const absl::Time began = absl::Now();
  RETURN_IF_ERROR(
      engine_.Upgrade(context_, revision.service + "@" + revision.id, run, sink).status());
  took = absl::Now() - began;
  return absl::OkStatus();
}

// With the rows that the tables had before the revision.
std::vector<StepCertificate> Rehearsal::Certify(const Revision& revision,
                                                std::vector<StepMeasurement> measured) const {
  std::vector<StepCertificate> certificates;
  for (StepMeasurement& each : measured) {
    const auto step = std::find_if(revision.steps.begin(), revision.steps.end(),
                                   [&](const Step& one) { return one.ordinal == each.ordinal; });
    if (step == revision.steps.end()) continue;
    StepCertificate& certificate = certificates.emplace_back();
    certificate.revision = revision.id;
    certificate.ordinal = each.ordinal;
    certificate.step_name = step->name;
    certificate.checksum = step->checksum;
    certificate.is_alone = step->kind == StepKind::kNonTransactional;
    certificate.took = each.measurement.took;
    certificate.server_version = before_.server_version;
    certificate.measured_at = absl::Now();
    for (const RelationCost& cost : each.measurement.relations) {
      if (before_.objects.contains({"rows", cost.relation})) {
        certificate.rows[cost.relation] = CountOf(before_, cost.relation);
      }
    }
    certificate.relations = std::move(each.measurement.relations);
  }
  return certificates;
}

absl::Status Rehearsal::Down(const Revision& revision, absl::Duration& took) {
  NullEventSink sink;
  RunOptions run;
  run.verify = verifies_;
  const std::string target = revision.service + "@-1";
  ASSIGN_OR_RETURN(const PlanReport plan, engine_.PlanFor(context_, Direction::kDown, target));
  const std::vector<PlanItem>& items = plan.plan.items;
  if (items.size() != 1 || engine_.graph().at(items[0].position).id != revision.id) {
    return Error(absl::StatusCode::kFailedPrecondition, "REHEARSAL_BRANCHES",
                 absl::StrCat(revision.service,
                              " has branches here, and going one step back takes "
                              "away another revision; rehearse them one after the other"));
  }
  const absl::Time began = absl::Now();
  absl::Status status = engine_.Downgrade(context_, target, run, sink).status();
  if (ReasonOf(status) == "GUARD_REFUSED") {
    // As somebody would who has to go back.
    run.archive = true;
    status = engine_.Downgrade(context_, target, run, sink).status();
  }
  RETURN_IF_ERROR(status);
  took = absl::Now() - began;
  return absl::OkStatus();
}

bool Rehearsal::Declares(const Revision& revision) {
  return !revision.irreversible_reason.empty() || !revision.index.rollback_hazards.empty();
}

absl::Status Rehearsal::Judge(const Revision& revision, RehearsedRevision& rehearsed) {
  ASSIGN_OR_RETURN(const CatalogImage up, Look());
  rehearsed.losses = LossesOf(before_, up);
  if (trip_ == Trip::kUp) {
    rehearsed.verdict = RehearsalVerdict::kMeasured;
    before_ = up;
    return absl::OkStatus();
  }
  if (!revision.irreversible_reason.empty()) {
    rehearsed.verdict = RehearsalVerdict::kIrreversible;
    before_ = up;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Down(revision, rehearsed.down));
  ASSIGN_OR_RETURN(const CatalogImage down, Look());
  rehearsed.differences = CompareImages(before_, down);
  absl::Duration again;
  const absl::Status up_again = Up(revision, again);
  if (!up_again.ok() && !IsOnlyOrder(rehearsed.differences)) {
    // It meets what the undo left behind.
    rehearsed.verdict = RehearsalVerdict::kDishonest;
    rehearsed.failure = absl::StrCat("and up again: ", MessageOf(up_again));
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(up_again);
  ASSIGN_OR_RETURN(CatalogImage second, Look());
  rehearsed.again = CompareImages(up, second);
  // From the same rows the same way up: what differs then, it makes up anew each time.
  if (IsOnlyOrder(rehearsed.differences)) std::erase_if(rehearsed.again, IsValueOfRows);
  before_ = std::move(second);
  if (IsOnlyOrder(rehearsed.differences) && IsOnlyOrder(rehearsed.again)) {
    rehearsed.verdict = RehearsalVerdict::kReversible;
    rehearsed.losses.clear();
    return absl::OkStatus();
  }
  // What it declares is that values do not come back; the shape has to.
  const auto is_rows = [](const CatalogDifference& difference) {
    return difference.kind == "rows" || difference.fact == "position";
  };
  const bool is_only_rows =
      std::all_of(rehearsed.differences.begin(), rehearsed.differences.end(), is_rows) &&
      std::all_of(rehearsed.again.begin(), rehearsed.again.end(), is_rows);
  rehearsed.verdict = is_only_rows && Declares(revision) && !rehearsed.losses.empty()
                          ? RehearsalVerdict::kReversibleWithLoss
                          : RehearsalVerdict::kDishonest;
  return absl::OkStatus();
}

absl::StatusOr<RehearsedRevision> Rehearsal::Next(const Revision& revision) {
  RehearsedRevision rehearsed;
  rehearsed.revision = revision.id;
  rehearsed.service = revision.service;
  rehearsed.title = revision.title;
  rehearsed.checksum = revision.checksum;
  std::vector<StepMeasurement> measured;
  absl::Status status = Up(revision, rehearsed.up, &measured);
  // Also of the steps before one that failed.
  rehearsed.certificates = Certify(revision, std::move(measured));
  if (status.ok()) status = Judge(revision, rehearsed);
  RETURN_IF_ERROR(context_.Check());
  if (!status.ok()) {
    rehearsed.verdict = RehearsalVerdict::kFailed;
    rehearsed.failure = absl::StrCat(ReasonOf(status), ": ", MessageOf(status));
  }
  return rehearsed;
}

}  // namespace

std::string_view ToText(RehearsalVerdict verdict) {
  switch (verdict) {
    case RehearsalVerdict::kMeasured:
      return "measured";
    case RehearsalVerdict::kReversible:
      return "reversible";
    case RehearsalVerdict::kReversibleWithLoss:
      return "reversible with loss";
    case RehearsalVerdict::kIrreversible:
      return "irreversible";
    case RehearsalVerdict::kDishonest:
      return "dishonest";
    case RehearsalVerdict::kFailed:
      return "failed";
  }
  return "";
}

absl::StatusOr<RehearsalReport> RehearsePlan(const Context& context, const EngineOptions& live,
                                             const Graph& graph, const AppliedState& state,
                                             const Plan& plan, Trip trip,
                                             const RehearsalProgress& progress) {
  RehearsalReport report;
  std::vector<const Revision*> revisions;
  for (const PlanItem& item : plan.items) revisions.push_back(&graph.at(item.position));
  RETURN_IF_ERROR(MayRunOnScratch(revisions));
  progress("making a scratch database");
  ASSIGN_OR_RETURN(const auto scratch, ScratchDatabase::Create(context, live));
  progress("bringing it to where the live database is");
  RETURN_IF_ERROR(scratch->BringTo(context, graph.definitions(), state));
  ASSIGN_OR_RETURN(const auto connection, scratch->Connect());
  report.server_version = connection->server_version() / 10'000;
  EngineOptions reading = live;
  if (!live.admin_url.empty()) reading.database_url = live.admin_url;
  ASSIGN_OR_RETURN(const auto source, OpenSession(reading, kReaderPurpose));
  progress("copying a sample of the rows");
  absl::StatusOr<Sample> sample = CopySample(context, *source, *connection);
  if (sample.ok()) {
    report.sample = *std::move(sample);
  } else if (ReasonOf(sample.status()) == "SAMPLE_NOT_PERMITTED") {
    report.sample_problem = MessageOf(sample.status());
  } else {
    return sample.status();
  }
  ASSIGN_OR_RETURN(CatalogImage before,
                   ReadCatalogImage(*connection, {.with_sequence_values = true}));
  RETURN_IF_ERROR(AddRows(*connection, before));
  const bool is_whole = report.sample.cut.empty() && report.sample.skipped.empty();
  Rehearsal rehearsal(context, *scratch, graph, std::move(before), trip, is_whole);
  for (const PlanItem& item : plan.items) {
    const Revision& revision = graph.at(item.position);
    progress(absl::StrCat(trip == Trip::kUp ? "measuring " : "rehearsing ", revision.id, " (",
                          revision.title, ")"));
    ASSIGN_OR_RETURN(RehearsedRevision rehearsed, rehearsal.Next(revision));
    if (!rehearsed.failure.empty() && !is_whole) {
      rehearsed.failure += " (only a part of the rows was there, which may be why)";
    }
    report.revisions.push_back(std::move(rehearsed));
    // What comes after it would start from a state that nobody knows.
    if (!report.revisions.back().failure.empty()) break;
  }
  return report;
}

}  // namespace lockstep::migration
