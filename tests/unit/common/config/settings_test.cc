#include "common/config/settings.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>
#include "common/json/json.h"

#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::config {
namespace {

using lockstep::testing::IsOkAndHolds;
using lockstep::testing::Reason;
using lockstep::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Options {
  std::string listen = "127.0.0.1:7102";
  bool is_insecure = false;
  int workers = 4;
  std::int64_t limit_bytes = 1 << 20;
  absl::Duration drain = absl::Seconds(5);
  std::vector<std::string> peers = {"a", "b"};
  std::string database_url;
  std::string level = "info";
};

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    settings_.Add("listen", &options_.listen, "Address of the server.");
    settings_.Add("insecure", &options_.is_insecure, "Serve other hosts without TLS.");
    settings_.Add("workers", &options_.workers, "Threads.").Range(1, 64);
    settings_.Add("limit_bytes", &options_.limit_bytes, "Largest message, in bytes.");
    settings_.Add("drain", &options_.drain, "Longest wait at shutdown.")
        .Range(absl::ZeroDuration(), absl::Minutes(1));
    settings_.Add("peers", &options_.peers, "Addresses of peers.");
    settings_.AddSecret("database_url", &options_.database_url, "Connection string.").Required();
    settings_.Add("level", &options_.level, "Log level.").OneOf({"info", "warn"});
  }

  // Also gives the required setting, unless the case does.
  absl::StatusOr<Request> Resolve(const std::vector<std::string>& args,
                                  Environment environment = {}) {
    environment.emplace("LOCKSTEP_DATABASE_URL", "dbname=x");
    return settings_.Resolve(args, environment);
  }

  std::string File(const std::string& name, const std::string& text) {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string path = ::testing::TempDir() + test->name() + "_" + name;
    std::ofstream(path) << text;
    return path;
  }

  Options options_;
  Settings settings_{"lockstep-test", "A test."};
};

TEST_F(SettingsTest, KeepsDefaults) {
  EXPECT_THAT(Resolve({}), IsOkAndHolds(Request::kRun));
  EXPECT_EQ(options_.listen, "127.0.0.1:7102");
  EXPECT_EQ(options_.drain, absl::Seconds(5));
}

TEST_F(SettingsTest, FlagsBeatTheFileThatBeatsTheEnvironment) {
  const std::string path =
      File("c.json", R"({"listen": "file", "workers": 8, "insecure": true, "peers": ["x", "y"]})");
  const Environment environment = {{"LOCKSTEP_LISTEN", "environment"},
                                   {"LOCKSTEP_WORKERS", "16"},
                                   {"LOCKSTEP_LIMIT_BYTES", "5"},
                                   {"LOCKSTEP_DRAIN", "250ms"}};

  ASSERT_OK(Resolve({"--config", path, "--listen=flag"}, environment));

  EXPECT_EQ(options_.listen, "flag");
  EXPECT_EQ(options_.workers, 8);
  EXPECT_TRUE(options_.is_insecure);
  EXPECT_THAT(options_.peers, ElementsAre("x", "y"));
  EXPECT_EQ(options_.limit_bytes, 5);
  EXPECT_EQ(options_.drain, absl::Milliseconds(250));
}

TEST_F(SettingsTest, TakesTheFileFromTheEnvironmentToo) {
  ASSERT_OK(Resolve({}, {{"LOCKSTEP_CONFIG", File("c.json", R"({"workers": 9})")}}));
  EXPECT_EQ(options_.workers, 9);
}

TEST_F(SettingsTest, ReadsEveryTypeFromFlags) {
  ASSERT_OK(Resolve({"--insecure", "--workers", "3", "--limit-bytes=9000000000", "--drain=1m",
                     "--peers=p,q", "--level", "warn"}));
  EXPECT_TRUE(options_.is_insecure);
  EXPECT_EQ(options_.workers, 3);
  EXPECT_EQ(options_.limit_bytes, 9'000'000'000);
  EXPECT_EQ(options_.drain, absl::Minutes(1));
  EXPECT_THAT(options_.peers, ElementsAre("p", "q"));
  EXPECT_EQ(options_.level, "warn");

  ASSERT_OK(Resolve({"--insecure=false", "--peers="}));
  EXPECT_FALSE(options_.is_insecure);
  EXPECT_TRUE(options_.peers.empty());
}

TEST_F(SettingsTest, SaysWhichSettingIsWrongAndWhereItCameFrom) {
  struct BadCase {
    std::vector<std::string> args;
    Environment environment;
    const char* want;
  };
  const std::string unknown = File("unknown.json", R"({"listne": "x"})");
  const std::string broken = File("broken.json", R"({"listen": )");
  const std::string list = File("list.json", "[]");
  const std::string fraction = File("fraction.json", R"({"workers": 1.5})");
  for (const BadCase& test :
       {BadCase{{"--listne=x"}, {}, "--listne"},
        {{"stray"}, {}, "stray"},
        {{"--workers"}, {}, "--workers"},
        {{"--workers=many"}, {}, "--workers: must be a whole number"},
        {{"--workers=99999999999"}, {}, "--workers: must be a whole number"},
        {{"--workers=65"}, {}, "--workers: must be 1 to 64"},
        {{"--drain=5"}, {}, "--drain: must be a duration such as"},
        {{"--drain=2m"}, {}, "--drain: must be 0 to 1m"},
        {{"--level=loud"}, {}, "--level: must be one of info,warn"},
        {{"--insecure=perhaps"}, {}, "--insecure: must be true or false"},
        {{}, {{"LOCKSTEP_WORKERS", ""}}, "LOCKSTEP_WORKERS: must be a whole number"},
        {{"--config", unknown}, {}, "unknown.json: listne: there is no such setting"},
        {{"--config", broken}, {}, "broken.json: must be a JSON object"},
        {{"--config", list}, {}, "list.json: must be a JSON object"},
        {{"--config", fraction}, {}, "fraction.json: workers: must be"},
        {{"--config", "/nowhere.json"}, {}, "cannot read /nowhere.json"},
        {{"--config", ::testing::TempDir()}, {}, "cannot read"},
        {{}, {{"LOCKSTEP_DATABASE_URL", ""}}, "database_url is not set"}}) {
    const auto result = Resolve(test.args, test.environment);
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument, Reason("CONFIG_INVALID")));
    EXPECT_THAT(MessageOf(result.status()), HasSubstr(test.want));
    EXPECT_THAT(MessageOf(result.status()), Not(HasSubstr("\n")));
  }
}

TEST_F(SettingsTest, IgnoresVariablesOfOtherProcesses) {
  EXPECT_OK(Resolve({}, {{"LOCKSTEP_KILLPOINT", "x"}, {"HOME", "/root"}}));
}

TEST_F(SettingsTest, SecretsNeverComeFromFlags) {
  EXPECT_THAT(Resolve({"--database-url=dbname=y"}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(SettingsTest, SecretsComeFromFiles) {
  const std::string first = File("first", "dbname=first\r\n");
  const std::string second = File("second", "dbname=second\n");

  ASSERT_OK(Resolve({}, {{"LOCKSTEP_DATABASE_URL_FILE", first}}));
  EXPECT_EQ(options_.database_url, "dbname=first");

  ASSERT_OK(Resolve({"--database-url-file", second}, {{"LOCKSTEP_DATABASE_URL_FILE", first}}));
  EXPECT_EQ(options_.database_url, "dbname=second");

  EXPECT_THAT(Resolve({"--database-url-file=/nowhere"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(SettingsTest, PrintsWhatConfigReadsWithSecretsMasked) {
  ASSERT_OK(Resolve({"--drain=250ms", "--insecure"}));
  const std::string printed = settings_.Print();

  const auto document = nlohmann::json::parse(printed);
  EXPECT_EQ(document["database_url"], "***");
  EXPECT_EQ(document["drain"], "250ms");
  EXPECT_EQ(document["insecure"], true);
  EXPECT_EQ(document["workers"], 4);
  EXPECT_EQ(document["peers"], nlohmann::json({"a", "b"}));
  EXPECT_THAT(printed, Not(HasSubstr("dbname")));

  options_.drain = absl::ZeroDuration();
  ASSERT_OK(Resolve({"--config", File("printed.json", printed)}));
  EXPECT_EQ(options_.drain, absl::Milliseconds(250));
}

struct LoadResult {
  std::optional<int> code;
  std::string out;
  std::string err;
};

LoadResult Load(Settings& settings, std::vector<const char*> args) {
  args.insert(args.begin(), "lockstep-test");
  std::ostringstream out;
  std::ostringstream err;
  const auto code = settings.Load(static_cast<int>(args.size()), args.data(),
                                  {{"LOCKSTEP_DATABASE_URL", "password=hidden"}}, out, err);
  return {code, out.str(), err.str()};
}

TEST_F(SettingsTest, LoadEndsTheProcessWhenItHasAnswered) {
  EXPECT_EQ(Load(settings_, {}).code, std::nullopt);

  const LoadResult help = Load(settings_, {"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* part :
       {"A test.", "--drain", "Longest wait at shutdown.", "LOCKSTEP_DRAIN", "5s",
        "--database-url-file", "--config", "--print-config", "--version"}) {
    EXPECT_THAT(help.out, HasSubstr(part));
  }
  EXPECT_THAT(help.out, Not(HasSubstr("hidden")));

  const LoadResult version = Load(settings_, {"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.out, ::testing::MatchesRegex("lockstep-test [0-9]+\\.[0-9]+\\.[0-9]+\n"));

  const LoadResult print = Load(settings_, {"--print-config"});
  EXPECT_EQ(print.code, 0);
  EXPECT_THAT(print.out, HasSubstr("\"database_url\": \"***\""));
}

TEST_F(SettingsTest, LoadReportsAWrongConfigInOneLine) {
  const LoadResult result = Load(settings_, {"--workers=0"});
  EXPECT_EQ(result.code, kExitConfig);
  EXPECT_EQ(result.err, "lockstep-test: --workers: must be 1 to 64\n");
  EXPECT_EQ(result.out, "");
}

TEST(Duration, ReadsUnits) {
  EXPECT_THAT(ParseDuration("250ms"), IsOkAndHolds(absl::Milliseconds(250)));
  EXPECT_THAT(ParseDuration("1h30m"), IsOkAndHolds(absl::Minutes(90)));
  EXPECT_THAT(ParseDuration("0"), IsOkAndHolds(absl::ZeroDuration()));
  for (const char* text : {"", "5", "-1s", "inf", "5 s", "1d", "s"}) {
    EXPECT_THAT(ParseDuration(text),
                StatusIs(absl::StatusCode::kInvalidArgument, Reason("DURATION_MALFORMED")))
        << text;
  }
}

}  // namespace
}  // namespace lockstep::config
