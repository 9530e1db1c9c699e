// The settings of one process: registered once, typed, filled from flags > config file >
// environment > default.
//
//   config::Settings settings("lockstep-orders", "Orders of every marketplace.");
//   settings.Add("listen", &options.listen, "Address of the gRPC server.");
//   settings.Add("drain_timeout", &options.drain_timeout, "Longest wait for running calls.");
//   settings.AddSecret("database_url", &options.database_url, "libpq string.").Required();
//   if (std::optional<int> code = settings.Load(argc, argv)) return *code;
//
// The setting `drain_timeout` is the flag --drain-timeout, the key "drain_timeout" of the JSON file
// given with --config (or LOCKSTEP_CONFIG), and the variable LOCKSTEP_DRAIN_TIMEOUT. Unknown flags
// and keys are errors; unknown variables are not, because processes share an environment. A secret
// has no flag for its value: it comes from the config file, the variable, or a file named by
// --database-url-file or LOCKSTEP_DATABASE_URL_FILE (trailing line breaks removed).
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace lockstep::config {

namespace internal {
struct Flag;
}

// Exit code for a wrong configuration (EX_CONFIG of sysexits.h).
inline constexpr int kExitConfig = 78;

using Environment = std::map<std::string, std::string>;
// The variables of this process.
[[nodiscard]] Environment ProcessEnvironment();

// "250ms", "5s", "1h30m", "0"; never negative. INVALID_ARGUMENT (DURATION_MALFORMED).
[[nodiscard]] absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

// What the command line asks for.
enum class Request { kRun, kHelp, kVersion, kPrintConfig, kReport };

class Settings {
  struct Setting;
  struct Report {
    std::string name;
    std::string help;
    std::function<std::string()> text;
  };

 public:
  // Refines a setting that was just added.
  class Handle {
   public:
    // Load fails when nobody gives a value and the default is empty.
    Handle& Required();
    // Inclusive bounds of an integer.
    Handle& Range(std::int64_t low, std::int64_t high);
    // Inclusive bounds of a duration.
    Handle& Range(absl::Duration low, absl::Duration high);
    // The only texts allowed.
    Handle& OneOf(std::vector<std::string> allowed);

   private:
    friend class Settings;
    explicit Handle(Setting& setting) : setting_(setting) {}
    Setting& setting_;
  };

  // `description`: one sentence for --help.
  Settings(std::string program, std::string description);
  ~Settings();
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  // Registers a setting. `name` is lower snake case and unique; `*target` holds the default now and
  // the value after Load, and must outlive this object; `help` is one sentence with the unit. Lists
  // are separated by commas.
  Handle Add(std::string name, std::string* target, std::string help);
  Handle Add(std::string name, bool* target, std::string help);
  Handle Add(std::string name, int* target, std::string help);
  Handle Add(std::string name, std::int64_t* target, std::string help);
  Handle Add(std::string name, absl::Duration* target, std::string help);
  Handle Add(std::string name, std::vector<std::string>* target, std::string help);
  Handle AddSecret(std::string name, std::string* target, std::string help);

  // Registers a switch like --version: the process prints what `text` gives and exits, whether or
  // not its settings are complete. `name` is lower snake case and unique; `help` is one sentence.
  void AddReport(std::string name, std::string help, std::function<std::string()> text);

  // Fills the targets, unless the command line asks for something that needs no settings. `args`
  // without the program's name. INVALID_ARGUMENT (CONFIG_INVALID) with
  // one line that says which setting, from where, and why.
  [[nodiscard]] absl::StatusOr<Request> Resolve(std::span<const std::string> args,
                                                const Environment& environment);

  // For main(): resolves, answers --help, --version, --print-config and reports on stdout, reports
  // errors on stderr. Returns the exit code when the process should end now.
  [[nodiscard]] std::optional<int> Load(int argc, const char* const* argv);
  [[nodiscard]] std::optional<int> Load(int argc, const char* const* argv,
                                        const Environment& environment, std::ostream& out,
                                        std::ostream& err);

  // The values as a JSON object that --config reads; secrets that are set show as "***".
  std::string Print() const;

 private:
  enum class Kind { kText, kBool, kInteger, kDuration, kList, kSecret };

  using Parse = std::function<absl::Status(std::string_view)>;
  using Show = std::function<std::string()>;

  Handle AddSetting(std::string name, Kind kind, std::string help, Parse parse, Show show);
  Handle AddText(std::string name, Kind kind, std::string* target, std::string help);
  absl::Status Apply(Setting& setting, std::string_view text, std::string_view source);
  absl::Status ApplyEnvironment(const Environment& environment);
  absl::Status ApplySecretFile(Setting& setting, const std::string& path, std::string_view source);
  absl::Status ApplyFile(const std::string& path);
  absl::Status ApplyFlags(const std::map<std::string, std::string>& flags);
  absl::Status CheckRequired() const;
  std::vector<internal::Flag> Flags() const;

  std::string program_;
  std::string description_;
  std::string help_;  // after Resolve
  std::vector<Report> reports_;
  const Report* asked_report_ = nullptr;  // after Resolve
  std::vector<std::unique_ptr<Setting>>
      settings_;  // In the order of registration; handles point into it.
};

}  // namespace lockstep::config
