#include "services/migration/engine/run/measure/certificate.h"

#include "common/json/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::migration {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

RelationCost Held(const std::string& relation, LockMode mode) {
  return {.relation = relation, .mode = mode};
}

RelationCost IndexOf(const std::string& table, LockMode mode, const std::string& name = "core.i") {
  return {.relation = name, .is_index = true, .within = {table}, .mode = mode};
}

StepCertificate Certified(std::vector<RelationCost> relations) {
  StepCertificate certificate;
  certificate.relations = std::move(relations);
  return certificate;
}

TEST(Certificate, TellsAStrongerLock) {
  const StepCertificate certificate = Certified({Held("core.t", LockMode::kShareUpdateExclusive)});

  EXPECT_THAT(WorseThan(certificate, {Held("core.t", LockMode::kAccessExclusive)}),
              ElementsAre("core.t: ACCESS EXCLUSIVE, certified was SHARE UPDATE EXCLUSIVE"));
  EXPECT_THAT(WorseThan(certificate, {Held("core.t", LockMode::kShareUpdateExclusive)}), IsEmpty());
  EXPECT_THAT(WorseThan(certificate, {Held("core.t", LockMode::kRowExclusive)}), IsEmpty());
}

TEST(Certificate, TellsALockOnWhatHadNone) {
  EXPECT_THAT(WorseThan(Certified({}), {Held("core.parent", LockMode::kShareRowExclusive)}),
              ElementsAre("core.parent: SHARE ROW EXCLUSIVE, certified was no lock"));
}

TEST(Certificate, LetsPassWhatEveryQueryTakes) {
  EXPECT_THAT(WorseThan(Certified({}), {Held("core.t", LockMode::kRowExclusive),
                                        Held("core.u", LockMode::kAccessShare)}),
              IsEmpty());
}

TEST(Certificate, LetsIndexesAndPartitionsBeHeldLikeTheirTable) {
  const StepCertificate certificate = Certified({Held("core.t", LockMode::kAccessExclusive)});
  RelationCost partition = Held("core.t_2031", LockMode::kAccessExclusive);
  partition.within = {"core.t"};
  RelationCost its_index = IndexOf("core.t_2031", LockMode::kAccessExclusive);
  its_index.within.push_back("core.t");

  EXPECT_THAT(
      WorseThan(certificate, {IndexOf("core.t", LockMode::kAccessExclusive), partition, its_index}),
      IsEmpty());
  EXPECT_THAT(WorseThan(certificate, {IndexOf("core.other", LockMode::kShareUpdateExclusive)}),
              ElementsAre("core.i: SHARE UPDATE EXCLUSIVE, certified was no lock"));
}

TEST(Certificate, TellsATableThatIsWrittenAnew) {
  const StepCertificate certificate = Certified({Held("core.t", LockMode::kAccessExclusive)});
  RelationCost table = Held("core.t", LockMode::kAccessExclusive);
  table.is_rewritten = true;
  RelationCost index = IndexOf("core.t", LockMode::kAccessExclusive);
  index.is_rewritten = true;
  RelationCost sequence = Held("core.s", LockMode::kRowExclusive);
  sequence.is_sequence = true;
  sequence.is_rewritten = true;

  EXPECT_THAT(WorseThan(certificate, {table, index, sequence}),
              ElementsAre("core.t: written anew, which was not certified",
                          "core.i: built anew, which was not certified"));
  // With the table every index of it is built anew, those that the scratch database lacked as well.
  EXPECT_THAT(WorseThan(Certified({table}), {table, index}), IsEmpty());
}

TEST(Certificate, LetsANewPartitionBeWrittenAnewLikeItsSiblings) {
  RelationCost known = Held("core.t_1", LockMode::kAccessExclusive);
  known.within = {"core.t"};
  known.is_rewritten = true;
  RelationCost added = known;
  added.relation = "core.t_2";

  EXPECT_THAT(
      WorseThan(Certified({Held("core.t", LockMode::kAccessExclusive), known}), {known, added}),
      IsEmpty());
}

TEST(Certificate, ComesBackFromTheLedgerAsItWas) {
  RelationCost table = Held("core.t", LockMode::kAccessExclusive);
  table.rows_read = 300;
  table.is_rewritten = true;
  StepCertificate certificate =
      Certified({IndexOf("core.t", LockMode::kAccessShare), table, {.relation = "core.v"}});
  certificate.rows["core.t"] = 100;
  StepCertificate back;

  RelationsFromJson(RelationsToJson(certificate), back);

  EXPECT_EQ(back.relations, certificate.relations);
  EXPECT_EQ(back.rows, certificate.rows);
  EXPECT_EQ(back.strongest(), LockMode::kAccessExclusive);
}

TEST(Certificate, SaysItsLocksStrongestFirst) {
  EXPECT_EQ(LocksText({Held("core.a", LockMode::kShareRowExclusive),
                       IndexOf("core.t", LockMode::kAccessExclusive),
                       Held("core.q", LockMode::kAccessShare),
                       Held("core.t", LockMode::kAccessExclusive)}),
            "core.t ACCESS EXCLUSIVE, core.a SHARE ROW EXCLUSIVE");
}

}  // namespace
}  // namespace lockstep::migration
