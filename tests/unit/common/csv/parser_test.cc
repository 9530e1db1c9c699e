#include "common/csv/parser.h"

#include <string>
#include <vector>

#include "common/csv/utf8.h"
#include "common/status/testing.h"
#include "gtest/gtest.h"

namespace lockstep::csv {
namespace {

using lockstep::testing::Reason;
using lockstep::testing::StatusIs;

// Everything that a parser says about a file, as text: one line a record, and the error last.
std::string Transcript(const std::vector<std::string_view>& chunks, const Options& options = {}) {
  Parser parser(options);
  std::string transcript;
  const auto sink = [&](const Row& row) {
    transcript += std::to_string(row.line) + "@" + std::to_string(row.byte) + ":";
    for (const std::string_view field : row.fields)
      transcript.append("[").append(field).append("]");
    transcript += "\n";
    return absl::OkStatus();
  };
  absl::Status status;
  for (const std::string_view chunk : chunks) {
    status = parser.Feed(chunk, sink);
    if (!status.ok()) break;
  }
  if (status.ok()) status = parser.Finish(sink);
  if (!status.ok()) {
    transcript += ReasonOf(status) + " line " + MetadataOf(status, "line") + " byte " +
                  MetadataOf(status, "byte") + "\n";
  }
  return transcript;
}

struct FileCase {
  const char* name;
  std::string text;
  std::string want;
};

std::vector<FileCase> Files() {
  return {
      {"Empty", "", ""},
      {"Plain", "a,b\nc,d\n", "1@0:[a][b]\n2@4:[c][d]\n"},
      {"NoBreakAtEnd", "a,b\nc,d", "1@0:[a][b]\n2@4:[c][d]\n"},
      {"CrLf", "a,b\r\nc,d\r\n", "1@0:[a][b]\n2@5:[c][d]\n"},
      {"EmptyFields", ",\n\"\"\n,,", "1@0:[][]\n2@2:[]\n3@5:[][][]\n"},
      {"EmptyLinesAreSkipped", "\n\r\na\n\n\nb\n\n", "3@3:[a]\n6@7:[b]\n"},
      {"Quotes", "\"a,\"\"b\"\"\",\"\"\"\"\nx,y", "1@0:[a,\"b\"][\"]\n2@15:[x][y]\n"},
      {"BreaksInQuotes", "\"a\nb\r\nc\",d\ne\n", "1@0:[a\nb\r\nc][d]\n4@11:[e]\n"},
      {"LoneCrInQuotes", "\"a\rb\"\nc", "1@0:[a\rb]\n2@6:[c]\n"},
      {"ByteOrderMark", "\xEF\xBB\xBF\"a\",b\n", "1@3:[a][b]\n"},
      {"OnlyByteOrderMark", "\xEF\xBB\xBF", ""},
      {"SecondMarkIsText",
       "\xEF\xBB\xBF\xEF\xBB\xBF"
       "a\n",
       "1@3:[\xEF\xBB\xBF"
       "a]\n"},
      {"HalfMarkIsText", "\xEF\xBC\x8C,b\n", "1@0:[\xEF\xBC\x8C][b]\n"},
      {"Utf8", "gr\xC3\xBCn,\xE2\x82\xAC,\xF0\x9F\x91\x9F\n",
       "1@0:[gr\xC3\xBCn][\xE2\x82\xAC][\xF0\x9F\x91\x9F]\n"},
      {"Spaces", " a , \"\n", "CSV_QUOTING_BROKEN line 1 byte 5\n"},
      {"TextAfterQuote", "a\n\"b\"c\n", "1@0:[a]\nCSV_QUOTING_BROKEN line 2 byte 5\n"},
      {"QuoteInText", "a\nb\"c\"\n", "1@0:[a]\nCSV_QUOTING_BROKEN line 2 byte 3\n"},
      {"QuoteNeverClosed", "a\n\nb,\"c\nd\n", "1@0:[a]\nCSV_QUOTING_BROKEN line 3 byte 5\n"},
      {"LoneCr", "a\nb\rc\n", "1@0:[a]\nCSV_LINE_BREAK_BROKEN line 2 byte 3\n"},
      {"CrAtEnd", "a\nb\r", "1@0:[a]\nCSV_LINE_BREAK_BROKEN line 2 byte 3\n"},
      {"ZeroByte", std::string("a\nb\0c\n", 6), "1@0:[a]\nCSV_ENCODING_BROKEN line 2 byte 3\n"},
      {"NotUtf8",
       "a\nb\xFC"
       "c\n",
       "1@0:[a]\nCSV_ENCODING_BROKEN line 2 byte 3\n"},
      {"CutUtf8", "a\nb\xE2\x82\nc", "1@0:[a]\nCSV_ENCODING_BROKEN line 2 byte 3\n"},
      {"Utf8EndsEarly", "a\nb\xE2\x82", "1@0:[a]\nCSV_ENCODING_BROKEN line 2 byte 3\n"},
      {"FileIsHalfAMark", "\xEF\xBB", "CSV_ENCODING_BROKEN line 1 byte 0\n"},
      {"BrokenMark",
       "\xEF\xBB"
       "a",
       "CSV_ENCODING_BROKEN line 1 byte 0\n"},
      {"Utf8AfterBrokenQuote", "\"a\"\xE2\x82\xAC\n", "CSV_QUOTING_BROKEN line 1 byte 3\n"},
      {"Utf16",
       std::string("\xFF\xFE"
                   "a\0",
                   4),
       "CSV_ENCODING_BROKEN line 1 byte 0\n"},
  };
}

TEST(CsvParser, ReadsWholeFiles) {
  for (const FileCase& file : Files()) {
    EXPECT_EQ(Transcript({file.text}), file.want) << file.name;
  }
}

TEST(CsvParser, DoesNotCareWhereChunksAreCut) {
  for (const FileCase& file : Files()) {
    const std::string_view text = file.text;
    for (std::size_t first = 0; first <= text.size(); ++first) {
      for (std::size_t second = first; second <= text.size(); ++second) {
        ASSERT_EQ(Transcript({text.substr(0, first), text.substr(first, second - first),
                              text.substr(second)}),
                  file.want)
            << file.name << " cut at " << first << " and " << second;
      }
    }
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
    EXPECT_EQ(Transcript(bytes), file.want) << file.name << " byte by byte";
  }
}

TEST(CsvParser, RefusesLongRecordsWhereverTheyAreCut) {
  const Options options{.max_record_bytes = 8};
  const std::vector<FileCase> files = {
      {"JustFits", "a\n12345678\r\n\"2345\"\"\"", "1@0:[a]\n2@2:[12345678]\n3@12:[2345\"]\n"},
      {"TooLong", "a\n123456789\n", "1@0:[a]\nCSV_RECORD_TOO_LONG line 2 byte 2\n"},
      {"TooManyFields", "a\n,,,,,,,,,\n", "1@0:[a]\nCSV_RECORD_TOO_LONG line 2 byte 2\n"},
      {"TooLongAtEnd", "a\n123456789", "1@0:[a]\nCSV_RECORD_TOO_LONG line 2 byte 2\n"},
      {"OpenQuote", "a\n\"\n\n\n\n\n\n\n\n", "1@0:[a]\nCSV_RECORD_TOO_LONG line 2 byte 2\n"},
      {"ThenNotUtf8", "a\n123456789\xFF\n", "1@0:[a]\nCSV_RECORD_TOO_LONG line 2 byte 2\n"},
      {"ManyShort", "1234567\n1234567\n", "1@0:[1234567]\n2@8:[1234567]\n"},
  };
  for (const FileCase& file : files) {
    const std::string_view text = file.text;
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      EXPECT_EQ(Transcript({text.substr(0, cut), text.substr(cut)}, options), file.want)
          << file.name << " cut at " << cut;
    }
  }
}

TEST(CsvParser, LimitsRecordsToOneMegabyteByDefault) {
  const std::string fits(1 << 20, 'x');
  EXPECT_EQ(Transcript({fits}), "1@0:[" + fits + "]\n");
  EXPECT_EQ(Transcript({fits, "x"}), "CSV_RECORD_TOO_LONG line 1 byte 0\n");
}

TEST(CsvParser, TakesAnotherSeparator) {
  EXPECT_EQ(Transcript({"a;b,c\n"}, {.separator = ';'}), "1@0:[a][b,c]\n");
}

TEST(CsvParser, StopsWhenTheReceiverSaysSo) {
  Parser parser;
  int rows = 0;
  const auto sink = [&](const Row&) -> absl::Status {
    ++rows;
    return rows < 2 ? absl::OkStatus() : absl::AbortedError("enough");
  };

  EXPECT_THAT(parser.Feed("a\nb\nc\n", sink), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(parser.Feed("d\n", sink), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(parser.Finish(sink), StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(rows, 2);
}

struct SequenceCase {
  std::string_view bytes;
  Sequence want;
};

TEST(Utf8, AcceptsExactlyWhatRfc3629Allows) {
  for (const SequenceCase& test : {SequenceCase{"a", Sequence::kComplete},
                                   {"\x7F", Sequence::kComplete},
                                   {"\xC2\x80", Sequence::kComplete},
                                   {"\xE0\xA0\x80", Sequence::kComplete},
                                   {"\xED\x9F\xBF", Sequence::kComplete},
                                   {"\xEF\xBF\xBF", Sequence::kComplete},
                                   {"\xF0\x90\x80\x80", Sequence::kComplete},
                                   {"\xF4\x8F\xBF\xBF", Sequence::kComplete},
                                   {"\xC2", Sequence::kIncomplete},
                                   {"\xF4\x8F\xBF", Sequence::kIncomplete},
                                   {"\x80", Sequence::kBroken},
                                   {"\xC0\x80", Sequence::kBroken},
                                   {"\xC1\xBF", Sequence::kBroken},
                                   {"\xE0\x9F\xBF", Sequence::kBroken},
                                   {"\xED\xA0\x80", Sequence::kBroken},
                                   {"\xF0\x8F\xBF\xBF", Sequence::kBroken},
                                   {"\xF4\x90\x80\x80", Sequence::kBroken},
                                   {"\xF5\x80\x80\x80", Sequence::kBroken},
                                   {"\xE2\x28\xA1", Sequence::kBroken},
                                   {std::string_view("\0", 1), Sequence::kBroken}}) {
    EXPECT_EQ(FirstSequence(test.bytes).kind, test.want) << ::testing::PrintToString(test.bytes);
    const std::string padded = std::string(16, 'x').append(test.bytes);
    EXPECT_EQ(ValidPrefix(padded) == padded.size(), test.want == Sequence::kComplete);
  }
}

}  // namespace
}  // namespace lockstep::csv
