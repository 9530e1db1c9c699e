// {version}_{name}.sql with "-- +goose Up", "-- +goose Down" and marks in it, by number.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "services/migration/importer/readers.h"
#include "services/migration/importer/source_text.h"

namespace lockstep::migration {
namespace {

// "-- +goose Up" -> "up"; "" = no mark.
std::string MarkOf(std::string_view line) {
  line = Trimmed(line);
  if (!line.starts_with("--")) return "";
  line = Trimmed(line.substr(2));
  if (!LowerCase(line.substr(0, 6)).starts_with("+goose")) return "";
  return LowerCase(Trimmed(line.substr(6)));
}

class GooseFile {
 public:
  GooseFile(const HistoryReader& reader, const std::string& path, const std::string& text)
      : reader_(reader), path_(path), text_(text) {}

  void Read(SourceMigration& migration) {
    for (const SourceLine& line : LinesOf(text_)) {
      const std::string mark = MarkOf(line.text);
      if (!mark.empty()) ReadMark(mark, line);
    }
    if (is_block_open_) {
      reader_.Refuse(path_, block_line_, "IMPORT_MARK_INVALID", "StatementBegin without its end");
    }
    End(text_.size());
    if (!up_.has_value()) {
      reader_.Refuse(path_, 0, "IMPORT_UP_MISSING", "there is no line \"-- +goose Up\"");
      return;
    }
    migration.up = Script(*up_);
    if (down_.has_value()) migration.down = Script(*down_);
  }

 private:
  using Range = std::pair<std::size_t, std::size_t>;

  void ReadMark(const std::string& mark, const SourceLine& line) {
    if (mark == "up" || mark == "down") {
      End(line.begin);
      begin_ = line.end;
      in_ = mark == "up" ? &up_ : &down_;
      if (in_->has_value()) {
        reader_.Refuse(path_, line.number, "IMPORT_MARK_INVALID", "a second +goose " + mark);
      }
    } else if (mark == "no transaction") {
      in_transaction_ = false;
    } else if (mark == "statementbegin" || mark == "statementend") {
      // The parser knows where a statement ends; the marks only have to fit.
      const bool opens = mark == "statementbegin";
      if (opens == is_block_open_) {
        reader_.Refuse(path_, line.number, "IMPORT_MARK_INVALID",
                       opens ? "StatementBegin inside a block" : "StatementEnd without its begin");
      }
      is_block_open_ = opens;
      block_line_ = line.number;
    } else if (mark == "envsub on" || mark == "envsub off") {
      replaces_ = replaces_ || mark == "envsub on";
    } else {
      reader_.Refuse(path_, line.number, "IMPORT_MARK_INVALID",
                     "goose knows no mark \"" + mark + "\"");
    }
  }

  void End(std::size_t end) {
    if (in_ != nullptr && !in_->has_value()) *in_ = Range(begin_, end);
    in_ = nullptr;
  }

  SourceScript Script(const Range& range) {
    std::string text = KeepOnly(text_, range.first, range.second);
    if (replaces_) {
      std::vector<MissingPlaceholder> missing;
      text = ReplacePlaceholders(
          text,
          [&](std::string_view name) -> std::optional<std::string> {
            const auto value = reader_.options.placeholders.find(std::string(name));
            if (value == reader_.options.placeholders.end()) return std::nullopt;
            return value->second;
          },
          missing);
      for (const MissingPlaceholder& gap : missing) {
        reader_.Refuse(path_, gap.line, "IMPORT_PLACEHOLDER_MISSING",
                       "${" + gap.name + "} has no value; give --placeholder " + gap.name + "=...");
      }
    }
    return {.file = path_, .text = std::move(text), .in_transaction = in_transaction_};
  }

  const HistoryReader& reader_;
  const std::string& path_;
  const std::string& text_;
  std::optional<Range> up_;
  std::optional<Range> down_;
  std::optional<Range>* in_ = nullptr;
  std::size_t begin_ = 0;
  bool in_transaction_ = true;
  bool replaces_ = false;
  bool is_block_open_ = false;
  int block_line_ = 0;
};

}  // namespace

void ReadGoose(const HistoryReader& reader) {
  for (const auto& [path, text] : reader.files) {
    const std::size_t digits = LeadingDigits(path);
    const bool is_named = digits > 0 && digits < path.size() && path[digits] == '_' &&
                          path.find('/') == std::string::npos;
    if (is_named && path.ends_with(".go") && !path.ends_with("_test.go")) {
      reader.RefuseCode(path, "Go");
    } else if (is_named && path.ends_with(".sql")) {
      SourceMigration migration;
      migration.version = path.substr(0, digits);
      migration.name = path.substr(digits + 1, path.size() - digits - 1 - 4);
      GooseFile(reader, path, text).Read(migration);
      if (!migration.up.file.empty()) reader.history.migrations.push_back(std::move(migration));
    } else {
      reader.Ignore(path);
    }
  }
  reader.OrderByNumber();
}

}  // namespace lockstep::migration
