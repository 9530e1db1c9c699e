#include "services/migration/api/document.h"

namespace lockstep::migration {
namespace {

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

// A cell must not end its row or column; elsewhere Markdown takes our plain texts as they are.
std::string MarkdownCell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') {
      cell += "\\|";
    } else {
      cell += c == '\n' ? ' ' : c;
    }
  }
  return cell;
}

std::string Html(std::string_view text) {
  std::string html;
  bool is_code = false;
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '`':
        html += is_code ? "</code>" : "<code>";
        is_code = !is_code;
        break;
      default:
        html += c;
    }
  }
  if (is_code) html += "</code>";
  return html;
}

std::string HtmlRow(const std::vector<std::string>& cells, std::string_view tag) {
  std::string row = "<tr>";
  for (const std::string& cell : cells) {
    row.append("<").append(tag).append(">").append(Html(cell)).append("</").append(tag).append(">");
  }
  return row + "</tr>\n";
}

std::string MarkdownRow(const std::vector<std::string>& cells) {
  std::string row = "|";
  for (const std::string& cell : cells) row += " " + MarkdownCell(cell) + " |";
  return row + "\n";
}

constexpr std::string_view kHtmlStyle =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;"
    "color:#1b1f24;background:#fff}"
    "table{border-collapse:collapse;margin:1rem 0;width:100%}"
    "th,td{border:1px solid #d0d7de;padding:.35rem .6rem;text-align:left;vertical-align:top}"
    "th{background:#f6f8fa}code{background:#f6f8fa;padding:.1rem .3rem;border-radius:4px}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}"
    "th,code{background:#161b22}th,td{border-color:#30363d}}";

}  // namespace

std::string Document::ToMarkdown() const {
  std::string out = "# " + title_ + "\n";
  for (const Block& block : blocks_) {
    out += "\n";
    std::visit(Overloaded{[&](const HeadingBlock& heading) { out += "## " + heading.text + "\n"; },
                          [&](const ParagraphBlock& paragraph) { out += paragraph.text + "\n"; },
                          [&](const ListBlock& list) {
                            for (const std::string& item : list.items) out += "- " + item + "\n";
                          },
                          [&](const TableBlock& table) {
                            out += MarkdownRow(table.header) + "|";
                            for (std::size_t i = 0; i < table.header.size(); ++i) out += " --- |";
                            out += "\n";
                            for (const auto& row : table.rows) out += MarkdownRow(row);
                          }},
               block);
  }
  return out;
}

std::string Document::ToHtml() const {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" +
      Html(title_) + "</title>\n<style>" + std::string(kHtmlStyle) +
      "</style>\n</head>\n<body>\n<h1>" + Html(title_) + "</h1>\n";
  for (const Block& block : blocks_) {
    std::visit(Overloaded{[&](const HeadingBlock& heading) {
                            out += "<h2>" + Html(heading.text) + "</h2>\n";
                          },
                          [&](const ParagraphBlock& paragraph) {
                            out += "<p>" + Html(paragraph.text) + "</p>\n";
                          },
                          [&](const ListBlock& list) {
                            out += "<ul>\n";
                            for (const std::string& item : list.items)
                              out += "<li>" + Html(item) + "</li>\n";
                            out += "</ul>\n";
                          },
                          [&](const TableBlock& table) {
                            out += "<table>\n" + HtmlRow(table.header, "th");
                            for (const auto& row : table.rows) out += HtmlRow(row, "td");
                            out += "</table>\n";
                          }},
               block);
  }
  return out + "</body>\n</html>\n";
}

}  // namespace lockstep::migration
