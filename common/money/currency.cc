#include "common/money/currency.h"

#include <algorithm>

#include "common/status/error.h"

namespace lockstep::money {
namespace {

// ISO 4217, the currencies and funds in circulation, sorted, four characters each. Metals, test
// codes and "no currency" are not amounts that anybody is paid in.
constexpr std::string_view kCodes =
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP "
    "BYN BZD CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP "
    "GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS "
    "KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR "
    "MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF "
    "SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD "
    "TZS UAH UGX USD UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG ";

constexpr std::string_view kWithoutMinorUnit =
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ";
constexpr std::string_view kThreeDigits = "BHD IQD JOD KWD LYD OMR TND ";
constexpr std::string_view kFourDigits = "CLF UYW ";

bool Contains(std::string_view list, std::string_view code) {
  std::size_t low = 0;
  std::size_t high = list.size() / 4;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const std::string_view entry = list.substr(middle * 4, 3);
    if (entry == code) return true;
    if (entry < code) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

int MinorDigits(std::string_view code) {
  if (Contains(kWithoutMinorUnit, code)) return 0;
  if (Contains(kThreeDigits, code)) return 3;
  if (Contains(kFourDigits, code)) return 4;
  return 2;
}

}  // namespace

absl::StatusOr<Currency> Currency::Parse(std::string_view code) {
  if (code.size() != 3 || !Contains(kCodes, code)) {
    return Error(absl::StatusCode::kInvalidArgument, "CURRENCY_UNKNOWN",
                 "must be an ISO 4217 currency code in upper case, such as EUR");
  }
  const char text[4] = {code[0], code[1], code[2], '\0'};
  return Currency(text, MinorDigits(code));
}

}  // namespace lockstep::money
