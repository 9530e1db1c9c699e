#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/migration/api/api.h"
#include "services/migration/api/convert.h"

namespace lockstep::migration {
namespace {

v1::DriftSeverity ToProto(DriftSeverity severity) {
  if (severity == DriftSeverity::kSevere) return v1::DRIFT_SEVERITY_SEVERE;
  return severity == DriftSeverity::kUsual ? v1::DRIFT_SEVERITY_USUAL : v1::DRIFT_SEVERITY_MILD;
}

std::string_view NameOf(CatalogDifference::What what) {
  if (what == CatalogDifference::What::kMissing) return "missing";
  return what == CatalogDifference::What::kUnexpected ? "unexpected" : "changed";
}

v1::CatalogDifference ToProto(const CatalogDifference& difference) {
  v1::CatalogDifference message;
  message.set_kind(difference.kind);
  message.set_name(difference.name);
  message.set_owner(difference.owner);
  message.set_what(std::string(NameOf(difference.what)));
  message.set_fact(difference.fact);
  message.set_expected(difference.expected);
  message.set_actual(difference.actual);
  message.set_severity(ToProto(difference.severity));
  message.set_text(difference.text());
  return message;
}

google::protobuf::Duration DurationOf(absl::Duration duration) {
  const std::int64_t nanos = absl::ToInt64Nanoseconds(duration);
  google::protobuf::Duration message;
  message.set_seconds(nanos / 1'000'000'000);
  message.set_nanos(static_cast<std::int32_t>(nanos % 1'000'000'000));
  return message;
}

v1::StepCertificate ToProto(const StepCertificate& certificate) {
  v1::StepCertificate message;
  message.set_revision(certificate.revision);
  message.set_step(certificate.ordinal);
  message.set_step_name(certificate.step_name);
  message.set_is_alone(certificate.is_alone);
  for (const RelationCost& cost : certificate.relations) {
    v1::RelationCost& entry = *message.add_relations();
    entry.set_relation(cost.relation);
    entry.set_is_index(cost.is_index);
    if (cost.mode.has_value()) entry.set_lock_mode(std::string(ToText(*cost.mode)));
    // What a sequence counts is no table.
    entry.set_is_rewritten(cost.is_rewritten && !cost.is_sequence);
    entry.set_read_row_count(cost.rows_read);
    const auto rows = certificate.rows.find(cost.relation);
    if (rows != certificate.rows.end()) entry.set_row_count(rows->second);
  }
  *message.mutable_duration() = DurationOf(certificate.took);
  message.set_server_version(certificate.server_version);
  return message;
}

v1::RehearsedRevision ToProto(const RehearsedRevision& rehearsed) {
  v1::RehearsedRevision message;
  message.set_revision(rehearsed.revision);
  message.set_service(rehearsed.service);
  message.set_title(rehearsed.title);
  message.set_verdict(std::string(ToText(rehearsed.verdict)));
  message.set_failure(rehearsed.failure);
  for (const auto* differences : {&rehearsed.differences, &rehearsed.again}) {
    for (const CatalogDifference& difference : *differences) {
      *message.add_differences() = ToProto(difference);
    }
  }
  for (const std::string& loss : rehearsed.losses) message.add_losses(loss);
  *message.mutable_up_duration() = DurationOf(rehearsed.up);
  *message.mutable_down_duration() = DurationOf(rehearsed.down);
  for (const StepCertificate& certificate : rehearsed.certificates) {
    *message.add_certificates() = ToProto(certificate);
  }
  return message;
}

}  // namespace

v1::StepForecast ToProto(const Forecast& forecast) {
  v1::StepForecast message;
  message.set_revision(forecast.revision);
  message.set_step(forecast.ordinal);
  message.set_step_name(forecast.step_name);
  if (forecast.low.has_value()) *message.mutable_low_duration() = DurationOf(*forecast.low);
  if (forecast.high.has_value()) *message.mutable_high_duration() = DurationOf(*forecast.high);
  message.set_locks(forecast.locks);
  message.set_is_online(forecast.is_online);
  message.set_basis(forecast.basis);
  return message;
}

absl::StatusOr<v1::RehearseResponse> Api::Rehearse(const Context& context,
                                                   const v1::RehearseRequest& request) {
  const std::string target = request.target().empty() ? "head" : request.target();
  const absl::StatusOr<RehearsalReport> report =
      engine_.Rehearse(context, target, request.measure_only() ? Trip::kUp : Trip::kUpAndBack,
                       [](std::string_view) {});
  if (!report.ok()) return AtField(report.status(), "target");
  v1::RehearseResponse response;
  for (const RehearsedRevision& rehearsed : report->revisions) {
    *response.add_revisions() = ToProto(rehearsed);
  }
  response.set_sampled_row_count(report->sample.rows);
  for (const std::string& table : report->sample.cut) response.add_cut_tables(table);
  for (const std::string& table : report->sample.skipped) response.add_skipped_tables(table);
  response.set_sample_problem(report->sample_problem);
  return response;
}

absl::StatusOr<v1::DetectDriftResponse> Api::DetectDrift(const Context& context,
                                                         const v1::DetectDriftRequest&) {
  const absl::StatusOr<DriftReport> report = engine_.DetectDrift(context);
  if (!report.ok()) return report.status();
  v1::DetectDriftResponse response;
  for (std::size_t i = 0; i < report->differences.size(); ++i) {
    v1::CatalogDifference message = ToProto(report->differences[i]);
    message.set_repair_sql(report->repairs[i]);
    *response.add_differences() = std::move(message);
  }
  response.set_expected_fingerprint(report->expected_fingerprint);
  response.set_actual_fingerprint(report->actual_fingerprint);
  response.set_object_count(report->objects);
  return response;
}

absl::StatusOr<v1::DiagnoseResponse> Api::Diagnose(const Context& context,
                                                   const v1::DiagnoseRequest& request) {
  const absl::StatusOr<DiagnosisReport> report =
      engine_.Diagnose(context, request.expected_chain_head());
  if (!report.ok()) return report.status();
  v1::DiagnoseResponse response;
  response.set_chain_head(report->chain_head);
  for (const Diagnosis& diagnosis : report->diagnoses) {
    v1::Diagnosis* message = response.add_diagnoses();
    message->set_check(diagnosis.check);
    message->set_state(diagnosis.state == DiagnosisState::kGood       ? v1::DIAGNOSIS_STATE_GOOD
                       : diagnosis.state == DiagnosisState::kDoubtful ? v1::DIAGNOSIS_STATE_DOUBTFUL
                                                                      : v1::DIAGNOSIS_STATE_BAD);
    message->set_found(diagnosis.found);
    message->set_remedy(diagnosis.remedy);
    for (const std::string& object : diagnosis.objects) message->add_objects(object);
  }
  return response;
}

}  // namespace lockstep::migration
