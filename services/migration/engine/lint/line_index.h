// Lines and columns of one text, without counting from its beginning each time. Internal to the
// linter.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace lockstep::migration {

class LineIndex {
 public:
  // `text` must outlive the index.
  explicit LineIndex(std::string_view text) : text_(text) {
    starts_.push_back(0);
    for (std::size_t at = text.find('\n'); at != std::string_view::npos;
         at = text.find('\n', at + 1)) {
      starts_.push_back(at + 1);
    }
  }

  // From 1.
  int LineOf(std::size_t offset) const {
    return static_cast<int>(std::upper_bound(starts_.begin(), starts_.end(), offset) -
                            starts_.begin());
  }
  // From 1, in code points.
  int ColumnOf(std::size_t offset) const {
    const std::size_t begin = starts_[static_cast<std::size_t>(LineOf(offset)) - 1];
    const std::string_view before = text_.substr(begin, std::min(offset, text_.size()) - begin);
    return 1 + static_cast<int>(std::count_if(before.begin(), before.end(), [](char c) {
             return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
           }));
  }

 private:
  std::string_view text_;
  std::vector<std::size_t> starts_;
};

}  // namespace lockstep::migration
