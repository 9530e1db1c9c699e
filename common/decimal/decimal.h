// Exact decimal numbers: rates, shares and amounts on their way between text, SQL numeric and
// money.
//
// A `Decimal` is an integer of up to 30 digits and a scale (digits after the point). Arithmetic is
// exact or says that it is not possible; where a result has to be rounded, the caller names the
// scale and the rule, and it is rounded once.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace lockstep::decimal {

// __extension__: not in ISO C++, but in every compiler that we use.
__extension__ typedef __int128 Int128;

enum class Rounding {
  kHalfAwayFromZero,  // 0.5 -> 1, -0.5 -> -1 (domain.md 1.3: the only rule in use)
};

class Decimal {
 public:
  static constexpr int kMaxDigits = 30;
  static constexpr int kMaxScale = 30;

  // Zero, scale 0.
  constexpr Decimal() = default;
  // `value` with scale 0.
  constexpr explicit Decimal(std::int64_t value) : unscaled_(value) {}

  // Reads plain decimal text: "-1234.50". The scale is the number of digits after the point.
  // Refuses everything else with INVALID_ARGUMENT: DECIMAL_MALFORMED for blanks, exponents, "+",
  // NaN, a point without digits on both sides, an empty text; DECIMAL_TOO_LONG for more than 30
  // digits.
  [[nodiscard]] static absl::StatusOr<Decimal> Parse(std::string_view text);

  // `unscaled` / 10^`scale`. OUT_OF_RANGE (DECIMAL_OVERFLOW) beyond 30 digits or for a scale
  // outside 0..30.
  [[nodiscard]] static absl::StatusOr<Decimal> FromUnscaled(Int128 unscaled, int scale);

  Int128 unscaled() const { return unscaled_; }
  int scale() const { return scale_; }
  // -1, 0 or 1.
  int sign() const { return unscaled_ < 0 ? -1 : (unscaled_ > 0 ? 1 : 0); }
  bool is_zero() const { return unscaled_ == 0; }

  // Plain text with exactly scale() digits after the point; Parse reads it back. Never "-0".
  std::string ToText() const;

  // Compares values: 1.5 == 1.50.
  friend std::strong_ordering operator<=>(const Decimal& a, const Decimal& b);
  friend bool operator==(const Decimal& a, const Decimal& b) { return (a <=> b) == 0; }

 private:
  constexpr Decimal(Int128 unscaled, int scale) : unscaled_(unscaled), scale_(scale) {}

  Int128 unscaled_ = 0;
  int scale_ = 0;
};

// Exact; the scale of the result is the larger of the two. OUT_OF_RANGE (DECIMAL_OVERFLOW) beyond
// 30 digits.
[[nodiscard]] absl::StatusOr<Decimal> Add(const Decimal& a, const Decimal& b);
[[nodiscard]] absl::StatusOr<Decimal> Subtract(const Decimal& a, const Decimal& b);
[[nodiscard]] Decimal Negate(const Decimal& a);

// Exact; the scale of the result is the sum of the two. OUT_OF_RANGE (DECIMAL_OVERFLOW) beyond 30
// digits.
[[nodiscard]] absl::StatusOr<Decimal> Multiply(const Decimal& a, const Decimal& b);

// a * b with `scale` digits after the point, computed exactly (256 bits) and rounded once.
[[nodiscard]] absl::StatusOr<Decimal> Multiply(const Decimal& a, const Decimal& b, int scale,
                                               Rounding rounding);

// a / b with `scale` digits after the point, rounded once. INVALID_ARGUMENT (DIVISION_BY_ZERO) when
// b is zero.
[[nodiscard]] absl::StatusOr<Decimal> Divide(const Decimal& a, const Decimal& b, int scale,
                                             Rounding rounding);

// `a` with `scale` digits after the point: exact when `scale` grows, rounded once when it shrinks.
[[nodiscard]] absl::StatusOr<Decimal> Rescale(const Decimal& a, int scale, Rounding rounding);

}  // namespace lockstep::decimal
