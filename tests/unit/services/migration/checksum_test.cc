#include "services/migration/engine/checksum.h"

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::migration {
namespace {

using ::testing::MatchesRegex;

TEST(TextChecksumTest, IsVersionedSha256) {
  EXPECT_THAT(TextChecksum("SELECT 1"), MatchesRegex("v1:[0-9a-f]{64}"));
  // Fixed for good: ledgers hold such values.
  EXPECT_EQ(PartsChecksum({}),
            "v1:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(TextChecksumTest, FormCommentsAndKeywordCaseDoNotCount) {
  const std::string written = TextChecksum("ALTER TABLE core.t ADD COLUMN a int;");
  for (const char* same : {
           "ALTER TABLE core.t ADD COLUMN a int;\n",
           "\t ALTER  TABLE\n core . t\r\n ADD COLUMN a int ;",
           "-- why\nALTER TABLE core.t /* here */ ADD COLUMN a int; -- done",
           "alter table core.t add column a int;",
       }) {
    EXPECT_EQ(TextChecksum(same), written) << same;
  }
}

TEST(TextChecksumTest, EverythingElseCounts) {
  const std::vector<std::string> texts = {
      "",
      "SELECT 'a'",
      "SELECT 'a';",
      "SELECT 'A'",
      "SELECT 'a '",
      "SELECT ' a'",
      "SELECT '-- a'",
      "SELECT '/* a */'",
      "SELECT $$a$$",
      "SELECT $x$a$x$",
      "SELECT E'a'",
      "SELECT \"a\"",
      "SELECT \"A\"",
      "SELECT a",
      "SELECT A",
      "SELECT 'a' 'b'",
      "SELECT 'a', 'b'",
      "SELECT 'ab'",
      "SELECT 'a''b'",
      "SELECT a b",
      "SELECT ab",
      "SELECT \"a b\"",
      "SELECT \"a\" \"b\"",
      "SELECT 1",
      "SELECT 10",
      "SELECT 1 0",
      "SELECT 1.0",
      "SELECT a + b",
      "SELECT a - b",
      "SELECT a -- b",
  };
  std::set<std::string> sums;
  for (const std::string& text : texts) {
    // The last one is the comment's case: it equals "SELECT a".
    const bool is_new = sums.insert(TextChecksum(text)).second;
    EXPECT_EQ(is_new, text != "SELECT a -- b") << text;
  }
}

TEST(TextChecksumTest, CountsTheBytesOfWhatTheScannerCannotRead) {
  EXPECT_EQ(TextChecksum("SELECT 'open"), TextChecksum(" SELECT 'open\n"));
  EXPECT_NE(TextChecksum("SELECT 'open"), TextChecksum("SELECT  'open"));
  EXPECT_NE(TextChecksum(std::string("a\0b", 3)), TextChecksum(std::string("a\0c", 3)));
}

TEST(PartsChecksumTest, BoundariesCannotBeMoved) {
  const std::vector<std::vector<std::string_view>> lists = {
      {}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"a b"}, {"ab", ""}, {"", "ab"}, {"a", "", "b"}};
  std::set<std::string> sums;
  for (const auto& list : lists) EXPECT_TRUE(sums.insert(PartsChecksum(list)).second);
}

Step SomeStep() {
  Step step;
  step.name = "main";
  step.up.checksum = "v1:up";
  step.down.checksum = "v1:down";
  return step;
}

TEST(StepChecksumTest, CountsKindNameAndScripts) {
  const std::string sum = StepChecksum(SomeStep());
  const std::vector<std::function<void(Step&)>> changes = {
      [](Step& step) { step.kind = StepKind::kNonTransactional; },
      [](Step& step) { step.name = "other"; },
      [](Step& step) { step.up.checksum = "v1:x"; },
      [](Step& step) { step.down.checksum = "v1:x"; },
      [](Step& step) { step.expect.checksum = "v1:x"; },
      [](Step& step) { std::swap(step.up.checksum, step.down.checksum); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Step step = SomeStep();
    changes[i](step);
    EXPECT_NE(StepChecksum(step), sum) << i;
  }
  Step patient = SomeStep();
  patient.limits.lock_timeout_ms = 9'000;
  patient.description = "other words";
  EXPECT_EQ(StepChecksum(patient), sum);
}

Revision SomeRevision() {
  Revision revision;
  revision.id = "84bc4d8b03ef";
  revision.service = "orders";
  revision.down_revision = {"1fc1f0c9b64d"};
  revision.depends_on = {"aaaa", "bbbb"};
  revision.steps = {SomeStep()};
  revision.steps[0].checksum = "v1:step";
  revision.verify.checksum = "v1:verify";
  revision.destroys = {{"transactions.orders", {"id"}, {"notes"}, "true"}};
  return revision;
}

TEST(RevisionChecksumTest, CountsWhatDecidesNotWhatExplains) {
  const std::string sum = RevisionChecksum(SomeRevision());
  const std::vector<std::function<void(Revision&)>> changes = {
      [](Revision& r) { r.id = "84bc4d8b03ee"; },
      [](Revision& r) { r.service = "catalog"; },
      [](Revision& r) { r.down_revision = {}; },
      [](Revision& r) { r.depends_on = {"aaaa"}; },
      [](Revision& r) { r.depends_on = {"aaaabbbb"}; },
      [](Revision& r) { r.phase = Phase::kContract; },
      [](Revision& r) { r.oldest_build = "1.2.3"; },
      [](Revision& r) { r.references = {"core.platforms"}; },
      [](Revision& r) { r.supersedes_verify = {"aaaa"}; },
      [](Revision& r) { r.irreversible_reason = "card data"; },
      [](Revision& r) { r.archive_forbidden_reason = "card data"; },
      [](Revision& r) { r.destroys[0].where = "false"; },
      [](Revision& r) { r.destroys.clear(); },
      [](Revision& r) { r.steps[0].checksum = "v1:x"; },
      [](Revision& r) { r.verify.checksum = "v1:x"; },
      [](Revision& r) { r.guard.checksum = "v1:x"; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Revision revision = SomeRevision();
    changes[i](revision);
    EXPECT_NE(RevisionChecksum(revision), sum) << i;
  }
  Revision reworded = SomeRevision();
  reworded.title = "Better words";
  reworded.aliases = {"older_name"};
  reworded.created = "2025-01-01";
  reworded.index.impact = "None";
  reworded.folder = "orders/84bc4d8b03ef_other";
  EXPECT_EQ(RevisionChecksum(reworded), sum);
}

}  // namespace
}  // namespace lockstep::migration
