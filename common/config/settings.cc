#include "common/config/settings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <utility>
#include "common/json/json.h"

#include "common/config/flags.h"
#include "common/config/values.h"
#include "common/status/error.h"
#include "common/status/macros.h"

#ifndef LOCKSTEP_VERSION
#error "LOCKSTEP_VERSION comes from CMake"
#endif

namespace lockstep::config {

struct Settings::Setting {
  std::string name;
  Kind kind = Kind::kText;
  std::string help;
  std::function<absl::Status(std::string_view)> parse;  // sets the target
  std::function<std::string()> show;                    // the target as text that `parse` reads
  bool is_required = false;
  std::vector<std::function<absl::Status(std::string_view)>> checks;  // of texts that `parse` took

  bool is_secret() const { return kind == Kind::kSecret; }
};

namespace {

constexpr char kMask[] = "***";
constexpr char kPrefix[] = "LOCKSTEP_";

absl::Status Invalid(std::string_view message) {
  return Error(absl::StatusCode::kInvalidArgument, "CONFIG_INVALID", message);
}

// drain_timeout -> --drain-timeout
std::string FlagOf(std::string_view name) {
  std::string flag = "--" + std::string(name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

// drain_timeout -> LOCKSTEP_DRAIN_TIMEOUT
std::string VariableOf(std::string_view name) {
  std::string variable = kPrefix;
  for (const char c : name) {
    variable.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
  }
  return variable;
}

// Not an ifstream: it throws when the path is a folder.
absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const auto close = [](std::FILE* file) { std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rbe"), close);
  std::string text;
  std::array<char, 4096> piece;
  while (file != nullptr) {
    const std::size_t length = std::fread(piece.data(), 1, piece.size(), file.get());
    text.append(piece.data(), length);
    if (length < piece.size()) break;
  }
  if (file == nullptr || std::ferror(file.get()) != 0) return Invalid("cannot read " + path);
  return text;
}

// A JSON value as the text that a flag would have.
absl::StatusOr<std::string> TextOf(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean() || value.is_number_integer()) return value.dump();
  if (value.is_array() && std::all_of(value.begin(), value.end(), [](const nlohmann::json& entry) {
        return entry.is_string();
      })) {
    return internal::JoinList(value.get<std::vector<std::string>>());
  }
  return Invalid("must be a text, a whole number, true, false or a list of texts");
}

}  // namespace

Environment ProcessEnvironment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

Settings::Handle& Settings::Handle::Required() {
  setting_.is_required = true;
  return *this;
}

Settings::Handle& Settings::Handle::Range(std::int64_t low, std::int64_t high) {
  setting_.checks.push_back([low, high](std::string_view text) -> absl::Status {
    std::int64_t value = 0;
    RETURN_IF_ERROR(internal::ParseInteger(text, value));
    if (value >= low && value <= high) return absl::OkStatus();
    return Invalid("must be " + std::to_string(low) + " to " + std::to_string(high));
  });
  return *this;
}

Settings::Handle& Settings::Handle::Range(absl::Duration low, absl::Duration high) {
  setting_.checks.push_back([low, high](std::string_view text) -> absl::Status {
    ASSIGN_OR_RETURN(const absl::Duration value, ParseDuration(text));
    if (value >= low && value <= high) return absl::OkStatus();
    return Invalid("must be " + absl::FormatDuration(low) + " to " + absl::FormatDuration(high));
  });
  return *this;
}

Settings::Handle& Settings::Handle::OneOf(std::vector<std::string> allowed) {
  setting_.checks.push_back([allowed = std::move(allowed)](std::string_view text) -> absl::Status {
    if (std::find(allowed.begin(), allowed.end(), text) != allowed.end()) return absl::OkStatus();
    return Invalid("must be one of " + internal::JoinList(allowed));
  });
  return *this;
}

Settings::Settings(std::string program, std::string description)
    : program_(std::move(program)), description_(std::move(description)) {}

Settings::~Settings() = default;

Settings::Handle Settings::AddSetting(std::string name, Kind kind, std::string help, Parse parse,
                                      Show show) {
  auto setting = std::make_unique<Setting>();
  setting->name = std::move(name);
  setting->kind = kind;
  setting->help = std::move(help);
  setting->parse = std::move(parse);
  setting->show = std::move(show);
  settings_.push_back(std::move(setting));
  return Handle(*settings_.back());
}

Settings::Handle Settings::AddText(std::string name, Kind kind, std::string* target,
                                   std::string help) {
  const Parse parse = [target](std::string_view text) {
    *target = std::string(text);
    return absl::OkStatus();
  };
  return AddSetting(std::move(name), kind, std::move(help), parse, [target] { return *target; });
}

Settings::Handle Settings::Add(std::string name, std::string* target, std::string help) {
  return AddText(std::move(name), Kind::kText, target, std::move(help));
}

Settings::Handle Settings::AddSecret(std::string name, std::string* target, std::string help) {
  return AddText(std::move(name), Kind::kSecret, target, std::move(help));
}

Settings::Handle Settings::Add(std::string name, bool* target, std::string help) {
  return AddSetting(
      std::move(name), Kind::kBool, std::move(help),
      [target](std::string_view text) { return internal::ParseBool(text, *target); },
      [target] { return std::string(*target ? "true" : "false"); });
}

Settings::Handle Settings::Add(std::string name, int* target, std::string help) {
  return AddSetting(
      std::move(name), Kind::kInteger, std::move(help),
      [target](std::string_view text) { return internal::ParseInteger(text, *target); },
      [target] { return std::to_string(*target); });
}

Settings::Handle Settings::Add(std::string name, std::int64_t* target, std::string help) {
  return AddSetting(
      std::move(name), Kind::kInteger, std::move(help),
      [target](std::string_view text) { return internal::ParseInteger(text, *target); },
      [target] { return std::to_string(*target); });
}

Settings::Handle Settings::Add(std::string name, absl::Duration* target, std::string help) {
  const Parse parse = [target](std::string_view text) -> absl::Status {
    ASSIGN_OR_RETURN(*target, ParseDuration(text));
    return absl::OkStatus();
  };
  return AddSetting(std::move(name), Kind::kDuration, std::move(help), parse,
                    [target] { return absl::FormatDuration(*target); });
}

Settings::Handle Settings::Add(std::string name, std::vector<std::string>* target,
                               std::string help) {
  const Parse parse = [target](std::string_view text) {
    *target = internal::SplitList(text);
    return absl::OkStatus();
  };
  return AddSetting(std::move(name), Kind::kList, std::move(help), parse,
                    [target] { return internal::JoinList(*target); });
}

void Settings::AddReport(std::string name, std::string help, std::function<std::string()> text) {
  reports_.push_back({std::move(name), std::move(help), std::move(text)});
}

absl::Status Settings::Apply(Setting& setting, std::string_view text, std::string_view source) {
  absl::Status status = setting.parse(text);
  for (const auto& check : setting.checks) {
    if (status.ok()) status = check(text);
  }
  if (status.ok()) return status;
  return Invalid(std::string(source) + ": " + MessageOf(status));
}

absl::Status Settings::ApplyEnvironment(const Environment& environment) {
  for (const auto& setting : settings_) {
    const std::string variable = VariableOf(setting->name);
    const auto value = environment.find(variable);
    if (value != environment.end()) {
      RETURN_IF_ERROR(Apply(*setting, value->second, variable));
    }
    if (!setting->is_secret()) continue;
    const auto path = environment.find(variable + "_FILE");
    if (path == environment.end()) continue;
    RETURN_IF_ERROR(ApplySecretFile(*setting, path->second, variable + "_FILE"));
  }
  return absl::OkStatus();
}

absl::Status Settings::ApplySecretFile(Setting& setting, const std::string& path,
                                       std::string_view source) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) {
    return Invalid(std::string(source) + ": " + MessageOf(text.status()));
  }
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  return Apply(setting, *text, source);
}

absl::Status Settings::ApplyFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const nlohmann::json document =
      nlohmann::json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) return Invalid(path + ": must be a JSON object");
  for (const auto& [key, value] : document.items()) {
    const std::string source = path + ": " + key;
    const auto setting =
        std::find_if(settings_.begin(), settings_.end(),
                     [&name = key](const auto& entry) { return entry->name == name; });
    if (setting == settings_.end()) {
      return Invalid(source + ": there is no such setting");
    }
    const absl::StatusOr<std::string> value_text = TextOf(value);
    if (!value_text.ok()) {
      return Invalid(source + ": " + MessageOf(value_text.status()));
    }
    RETURN_IF_ERROR(Apply(**setting, *value_text, source));
  }
  return absl::OkStatus();
}

absl::Status Settings::ApplyFlags(const std::map<std::string, std::string>& flags) {
  for (const auto& setting : settings_) {
    const std::string flag = FlagOf(setting->name) + (setting->is_secret() ? "-file" : "");
    const auto value = flags.find(flag);
    if (value == flags.end()) continue;
    RETURN_IF_ERROR(setting->is_secret() ? ApplySecretFile(*setting, value->second, flag)
                                         : Apply(*setting, value->second, flag));
  }
  return absl::OkStatus();
}

absl::Status Settings::CheckRequired() const {
  for (const auto& setting : settings_) {
    if (!setting->is_required || !setting->show().empty()) continue;
    std::string message = setting->name + " is not set: use ";
    message += FlagOf(setting->name) + (setting->is_secret() ? "-file" : "") + ", ";
    message += VariableOf(setting->name) + " or the config file";
    return Invalid(message);
  }
  return absl::OkStatus();
}

std::vector<internal::Flag> Settings::Flags() const {
  std::vector<internal::Flag> flags;
  for (const auto& setting : settings_) {
    std::string help = setting->help;
    const std::string shown = setting->is_secret() ? "" : setting->show();
    if (!shown.empty()) help += " Default: " + shown + ".";
    help += " [" + VariableOf(setting->name) + "]";
    flags.push_back({.name = FlagOf(setting->name) + (setting->is_secret() ? "-file" : ""),
                     .help = setting->is_secret() ? "File that holds: " + help : help,
                     .is_switch = setting->kind == Kind::kBool});
  }
  for (const Report& report : reports_) {
    flags.push_back({.name = FlagOf(report.name), .help = report.help, .is_switch = true});
  }
  return flags;
}

absl::StatusOr<Request> Settings::Resolve(std::span<const std::string> args,
                                          const Environment& environment) {
  ASSIGN_OR_RETURN(const internal::CommandLine line,
                   internal::ParseCommandLine(program_, description_, Flags(), args));
  help_ = line.help_text;
  if (line.request == Request::kHelp || line.request == Request::kVersion) return line.request;
  for (const Report& report : reports_) {
    const auto asked = line.values.find(FlagOf(report.name));
    if (asked == line.values.end() || asked->second != "true") continue;
    asked_report_ = &report;
    return Request::kReport;
  }
  RETURN_IF_ERROR(ApplyEnvironment(environment));
  std::string path = line.config_path;
  if (const auto variable = environment.find("LOCKSTEP_CONFIG");
      path.empty() && variable != environment.end()) {
    path = variable->second;
  }
  if (!path.empty()) RETURN_IF_ERROR(ApplyFile(path));
  RETURN_IF_ERROR(ApplyFlags(line.values));
  RETURN_IF_ERROR(CheckRequired());
  return line.request;
}

std::optional<int> Settings::Load(int argc, const char* const* argv) {
  return Load(argc, argv, ProcessEnvironment(), std::cout, std::cerr);
}

std::optional<int> Settings::Load(int argc, const char* const* argv, const Environment& environment,
                                  std::ostream& out, std::ostream& err) {
  const std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  const absl::StatusOr<Request> request = Resolve(args, environment);
  if (!request.ok()) {
    err << program_ << ": " << MessageOf(request.status()) << std::endl;
    return kExitConfig;
  }
  switch (*request) {
    case Request::kRun:
      return std::nullopt;
    case Request::kHelp:
      out << help_ << std::flush;
      break;
    case Request::kVersion:
      out << program_ << " " << LOCKSTEP_VERSION << std::endl;
      break;
    case Request::kPrintConfig:
      out << Print() << std::endl;
      break;
    case Request::kReport:
      out << asked_report_->text() << std::endl;
      break;
  }
  return 0;
}

std::string Settings::Print() const {
  nlohmann::ordered_json document = nlohmann::ordered_json::object();
  for (const auto& setting : settings_) {
    const std::string text = setting->show();
    nlohmann::ordered_json& value = document[setting->name];
    switch (setting->kind) {
      case Kind::kSecret:
        value = text.empty() ? "" : kMask;
        break;
      case Kind::kBool:
        value = text == "true";
        break;
      case Kind::kInteger:
        value = nlohmann::ordered_json::parse(text);
        break;
      case Kind::kList:
        value = internal::SplitList(text);
        break;
      case Kind::kText:
      case Kind::kDuration:
        value = text;
        break;
    }
  }
  return JsonText(document, 2);
}

}  // namespace lockstep::config
