#include "common/decimal/decimal.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "common/status/error.h"
#include "common/status/macros.h"

namespace lockstep::decimal {
namespace {

__extension__ typedef unsigned __int128 Uint128;

constexpr int kLargestPower = 31;

constexpr std::array<Uint128, kLargestPower + 1> MakePowers() {
  std::array<Uint128, kLargestPower + 1> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}

constexpr std::array<Uint128, kLargestPower + 1> kPowers = MakePowers();

// 10^exponent; REQUIRES: 0 <= exponent <= 31.
constexpr Uint128 Power(int exponent) { return kPowers[static_cast<std::size_t>(exponent)]; }

constexpr Uint128 kLimit = Power(Decimal::kMaxDigits);

Uint128 Magnitude(Int128 value) {
  return value < 0 ? -static_cast<Uint128>(value) : static_cast<Uint128>(value);
}

// REQUIRES: magnitude < 10^30.
Int128 WithSign(Uint128 magnitude, bool is_negative) {
  const auto value = static_cast<Int128>(magnitude);
  return is_negative ? -value : value;
}

absl::Status Overflow() {
  return Error(absl::StatusCode::kOutOfRange, "DECIMAL_OVERFLOW",
               "the result has more than 30 digits");
}

absl::Status CheckScale(int scale) {
  if (scale >= 0 && scale <= Decimal::kMaxScale) return absl::OkStatus();
  return Error(absl::StatusCode::kOutOfRange, "DECIMAL_OVERFLOW", "the scale must be 0 to 30")
      .With("scale", scale);
}

absl::StatusOr<Decimal> FromMagnitude(Uint128 magnitude, bool is_negative, int scale) {
  if (magnitude >= kLimit) return Overflow();
  return Decimal::FromUnscaled(WithSign(magnitude, is_negative), scale);
}

// value * 10^exponent, or no value beyond 30 digits. REQUIRES: value < 10^30, 0 <= exponent <= 60.
bool ScaleUp(Uint128& value, int exponent) {
  for (; exponent > 0 && value != 0; --exponent) {
    value *= 10;
    if (value >= kLimit) return false;
  }
  return true;
}

// A product of two magnitudes, least significant limb first.
class Product {
 public:
  Product(Uint128 a, Uint128 b) {
    const std::array<std::uint64_t, 2> x{static_cast<std::uint64_t>(a),
                                         static_cast<std::uint64_t>(a >> 64)};
    const std::array<std::uint64_t, 2> y{static_cast<std::uint64_t>(b),
                                         static_cast<std::uint64_t>(b >> 64)};
    for (std::size_t i = 0; i < 2; ++i) {
      std::uint64_t carry = 0;
      for (std::size_t j = 0; j < 2; ++j) {
        const Uint128 sum = Uint128{x[i]} * y[j] + limbs_[i + j] + carry;
        limbs_[i + j] = static_cast<std::uint64_t>(sum);
        carry = static_cast<std::uint64_t>(sum >> 64);
      }
      limbs_[i + 2] = carry;
    }
  }

  // Divides by `divisor`, returns the remainder.
  std::uint64_t Divide(std::uint64_t divisor) {
    Uint128 rest = 0;
    for (std::size_t i = limbs_.size(); i-- > 0;) {
      const Uint128 part = (rest << 64) | limbs_[i];
      limbs_[i] = static_cast<std::uint64_t>(part / divisor);
      rest = part % divisor;
    }
    return static_cast<std::uint64_t>(rest);
  }

  // Divides by 10^digits, half away from zero: the first digit that goes decides.
  void DropDigits(int digits) {
    if (digits == 0) return;
    for (int left = digits - 1; left > 0;) {
      const int step = std::min(left, 18);
      Divide(static_cast<std::uint64_t>(Power(step)));
      left -= step;
    }
    if (Divide(10) < 5) return;
    for (std::uint64_t& limb : limbs_) {
      if (++limb != 0) return;
    }
  }

  bool Fits() const { return limbs_[2] == 0 && limbs_[3] == 0 && low() < kLimit; }
  Uint128 low() const { return (Uint128{limbs_[1]} << 64) | limbs_[0]; }

 private:
  std::array<std::uint64_t, 4> limbs_{};
};

std::strong_ordering Order(Uint128 a, Uint128 b) {
  if (a == b) return std::strong_ordering::equal;
  return a < b ? std::strong_ordering::less : std::strong_ordering::greater;
}

// Whole parts first, then the fractions brought to 30 digits: nothing can overflow.
std::strong_ordering OrderMagnitudes(const Decimal& a, const Decimal& b) {
  const Uint128 x = Magnitude(a.unscaled());
  const Uint128 y = Magnitude(b.unscaled());
  const auto whole = Order(x / Power(a.scale()), y / Power(b.scale()));
  if (whole != 0) return whole;
  return Order(x % Power(a.scale()) * Power(Decimal::kMaxScale - a.scale()),
               y % Power(b.scale()) * Power(Decimal::kMaxScale - b.scale()));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

absl::Status Malformed() {
  return Error(absl::StatusCode::kInvalidArgument, "DECIMAL_MALFORMED",
               "must be a plain decimal number such as -1234.50");
}

}  // namespace

absl::StatusOr<Decimal> Decimal::Parse(std::string_view text) {
  const bool is_negative = !text.empty() && text.front() == '-';
  const std::string_view number = text.substr(is_negative ? 1 : 0);
  const std::size_t point = number.find('.');
  const std::string_view whole = number.substr(0, point);
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : number.substr(point + 1);
  if (whole.empty() || (point != std::string_view::npos && fraction.empty())) return Malformed();
  if (!std::all_of(whole.begin(), whole.end(), IsDigit) ||
      !std::all_of(fraction.begin(), fraction.end(), IsDigit)) {
    return Malformed();
  }
  if (whole.size() + fraction.size() > static_cast<std::size_t>(kMaxDigits)) {
    return Error(absl::StatusCode::kInvalidArgument, "DECIMAL_TOO_LONG",
                 "a number may have at most 30 digits");
  }
  Uint128 magnitude = 0;
  for (const std::string_view part : {whole, fraction}) {
    for (const char c : part) magnitude = magnitude * 10 + static_cast<unsigned>(c - '0');
  }
  return Decimal(WithSign(magnitude, is_negative), static_cast<int>(fraction.size()));
}

absl::StatusOr<Decimal> Decimal::FromUnscaled(Int128 unscaled, int scale) {
  RETURN_IF_ERROR(CheckScale(scale));
  if (Magnitude(unscaled) >= kLimit) return Overflow();
  return Decimal(unscaled, scale);
}

std::string Decimal::ToText() const {
  std::string reversed;
  Uint128 rest = Magnitude(unscaled_);
  for (int digit = 0; rest != 0 || digit <= scale_; ++digit) {
    if (digit == scale_ && scale_ > 0) reversed.push_back('.');
    reversed.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
    rest /= 10;
  }
  if (unscaled_ < 0) reversed.push_back('-');
  return {reversed.rbegin(), reversed.rend()};
}

std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) {
  if (a.sign() != b.sign()) return a.sign() <=> b.sign();
  return a.sign() < 0 ? OrderMagnitudes(b, a) : OrderMagnitudes(a, b);
}

absl::StatusOr<Decimal> Add(const Decimal& a, const Decimal& b) {
  const int scale = std::max(a.scale(), b.scale());
  Uint128 x = Magnitude(a.unscaled());
  Uint128 y = Magnitude(b.unscaled());
  if (!ScaleUp(x, scale - a.scale()) || !ScaleUp(y, scale - b.scale())) return Overflow();
  return Decimal::FromUnscaled(WithSign(x, a.sign() < 0) + WithSign(y, b.sign() < 0), scale);
}

absl::StatusOr<Decimal> Subtract(const Decimal& a, const Decimal& b) { return Add(a, Negate(b)); }

Decimal Negate(const Decimal& a) { return *Decimal::FromUnscaled(-a.unscaled(), a.scale()); }

absl::StatusOr<Decimal> Multiply(const Decimal& a, const Decimal& b) {
  return Multiply(a, b, a.scale() + b.scale(), Rounding::kHalfAwayFromZero);
}

absl::StatusOr<Decimal> Multiply(const Decimal& a, const Decimal& b, int scale,
                                 Rounding /*rounding*/) {
  RETURN_IF_ERROR(CheckScale(scale));
  Product product(Magnitude(a.unscaled()), Magnitude(b.unscaled()));
  const int surplus = a.scale() + b.scale() - scale;
  if (surplus > 0) product.DropDigits(surplus);
  if (!product.Fits()) return Overflow();
  Uint128 magnitude = product.low();
  if (surplus < 0 && !ScaleUp(magnitude, -surplus)) return Overflow();
  return FromMagnitude(magnitude, a.sign() * b.sign() < 0, scale);
}

absl::StatusOr<Decimal> Divide(const Decimal& a, const Decimal& b, int scale,
                               Rounding /*rounding*/) {
  RETURN_IF_ERROR(CheckScale(scale));
  if (b.is_zero()) {
    return Error(absl::StatusCode::kInvalidArgument, "DIVISION_BY_ZERO", "cannot divide by zero");
  }
  const Uint128 divisor = Magnitude(b.unscaled());
  Uint128 quotient = Magnitude(a.unscaled()) / divisor;
  Uint128 rest = Magnitude(a.unscaled()) % divisor;
  int shift = scale + b.scale() - a.scale();
  if (shift < 0) {
    // Fewer digits than the quotient of the integers has. 10^k is even, so what `rest` adds to the
    // remainder below, less than one, never reaches the half.
    const Uint128 power = Power(-shift);
    const Uint128 dropped = quotient % power;
    quotient = quotient / power + (2 * dropped >= power ? 1 : 0);
    return FromMagnitude(quotient, a.sign() * b.sign() < 0, scale);
  }
  for (; shift > 0; --shift) {  // Long division, one digit a turn; `rest` stays below 10^30.
    rest *= 10;
    quotient = quotient * 10 + rest / divisor;
    rest %= divisor;
    if (quotient >= kLimit) return Overflow();
  }
  if (2 * rest >= divisor) ++quotient;
  return FromMagnitude(quotient, a.sign() * b.sign() < 0, scale);
}

absl::StatusOr<Decimal> Rescale(const Decimal& a, int scale, Rounding rounding) {
  return Multiply(a, Decimal(1), scale, rounding);
}

}  // namespace lockstep::decimal
