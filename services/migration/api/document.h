// A small document of headings, paragraphs, lists and tables, written as Markdown or as one HTML
// page.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lockstep::migration {

class Document {
 public:
  explicit Document(std::string title) : title_(std::move(title)) {}

  void Heading(std::string text) { blocks_.push_back(HeadingBlock{std::move(text)}); }
  void Paragraph(std::string text) { blocks_.push_back(ParagraphBlock{std::move(text)}); }
  void List(std::vector<std::string> items) {
    if (!items.empty()) blocks_.push_back(ListBlock{std::move(items)});
  }
  void Table(std::vector<std::string> header, std::vector<std::vector<std::string>> rows) {
    blocks_.push_back(TableBlock{std::move(header), std::move(rows)});
  }

  // Texts are plain: what has a meaning in the format is escaped. `code` in backticks stays code in
  // both.
  std::string ToMarkdown() const;
  std::string ToHtml() const;

 private:
  struct HeadingBlock {
    std::string text;
  };
  struct ParagraphBlock {
    std::string text;
  };
  struct ListBlock {
    std::vector<std::string> items;
  };
  struct TableBlock {
    std::vector<std::string> header;
    std::vector<std::vector<std::string>> rows;
  };
  using Block = std::variant<HeadingBlock, ParagraphBlock, ListBlock, TableBlock>;

  std::string title_;
  std::vector<Block> blocks_;
};

}  // namespace lockstep::migration
