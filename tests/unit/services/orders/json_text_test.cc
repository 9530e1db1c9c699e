#include "services/orders/json_text.h"

#include "common/json/json.h"
#include "gtest/gtest.h"

namespace lockstep::orders {
namespace {

TEST(JsonObject, IsReadBackAsItWasWritten) {
  std::string every_byte;
  for (int c = 1; c < 0x80; ++c) every_byte += static_cast<char>(c);
  for (const std::string& text :
       {std::string(), std::string("plain"), std::string("\""), std::string("\\"),
        std::string("a\nb\tc\x01"), std::string("K\xC3\xB6ln"), every_byte}) {
    JsonObject object;
    object.Text("text", text).Raw("number", "7").Text(text, "name");
    const nlohmann::json read = nlohmann::json::parse(std::move(object).Finish());
    EXPECT_EQ(read["text"], text);
    EXPECT_EQ(read["number"], 7);
    EXPECT_EQ(read[text == "text" ? "" : text], "name");
  }
  EXPECT_EQ(JsonObject().Finish(), "{}");
}

}  // namespace
}  // namespace lockstep::orders
