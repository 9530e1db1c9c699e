#include "services/migration/footprint/literals.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace lockstep::migration::footprint {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Texts(std::string_view source) {
  std::vector<std::string> texts;
  for (const Literal& literal : ReadLiterals(source)) texts.push_back(literal.text);
  return texts;
}

TEST(ReadLiterals, JoinsNeighbours) {
  EXPECT_THAT(Texts("f(\"SELECT a\"\n  \" FROM b\", \"c\" + \"d\");"),
              ElementsAre("SELECT a FROM b", "c", "d"));
  EXPECT_THAT(Texts("#define X \"a\" \\\n  \"b\" item \"c\"\n"), ElementsAre("ab", "c"));
  EXPECT_THAT(Texts("\"a\" /* and */ \"b\" // more\n \"c\""), ElementsAre("abc"));
}

TEST(ReadLiterals, SkipsWhatIsNoText) {
  EXPECT_THAT(Texts("#include \"a/b.h\"\n// \"c\"\n/* \"d\" */ char e = '\"'; f(\"g\");"),
              ElementsAre("g"));
  EXPECT_THAT(Texts("int a = 1'000'000; f(\"b\"); int c = 2'0;"), ElementsAre("b"));
}

TEST(ReadLiterals, ReadsRawAndEncodedText) {
  EXPECT_THAT(Texts("R\"(a \"b\" \\n)\""), ElementsAre("a \"b\" \\n"));
  EXPECT_THAT(Texts("u8R\"x(a)\" )x\" \"b\"sv"), ElementsAre("a)\" b"));
}

TEST(ReadLiterals, ResolvesEscapes) {
  EXPECT_THAT(Texts("\"a\\nb\\\"c\\\\ \\x41\\102\""), ElementsAre("a\nb\"c\\ AB"));
}

TEST(ReadLiterals, KnowsTheLines) {
  const auto literals = ReadLiterals("\n\"ab\"\n\n\"cd\";\nR\"(e\nf)\";");

  ASSERT_EQ(literals.size(), 2U);
  EXPECT_EQ(literals[0].LineAt(1), 2);
  EXPECT_EQ(literals[0].LineAt(2), 4);
  EXPECT_EQ(literals[1].LineAt(0), 5);
  EXPECT_EQ(literals[1].LineAt(2), 6);
}

TEST(ReadLiterals, EndsWithBrokenSource) {
  for (const char* source : {"\"", "\"a\\", "R\"(", "R\"x", "'", "/*", "'\\"}) {
    (void)ReadLiterals(source);
  }
}

}  // namespace
}  // namespace lockstep::migration::footprint
