// Dates by days since the epoch; no locale, no time zone, no allocation.
#include "protocol/http/date.h"

#include <time.h>

#include <cstring>

namespace objmapper::protocol::http {
namespace {

constexpr char kDays[] = "SunMonTueWedThuFriSat";
constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr absl::string_view kLongDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                           "Thursday", "Friday", "Saturday"};

// The number of the name that `text` begins with, of those of three letters in `names`; -1: none.
int NameIndex(absl::string_view text, const char* names) {
  for (int i = 0; text.size() >= 3 && names[3 * i] != '\0'; ++i) {
    if (memcmp(text.data(), names + 3 * i, 3) == 0) return i;
  }
  return -1;
}

// A cursor over text of one of the forms.
class Reader {
 public:
  explicit Reader(absl::string_view text) : rest_(text) {}
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

  void Expect(absl::string_view text) {
    ok_ = ok_ && rest_.substr(0, text.size()) == text;
    if (ok_) rest_.remove_prefix(text.size());
  }
  // `digits` of them; blank: the first may be a blank.
  int Number(size_t digits, bool blank = false) {
    int number = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char c = i < rest_.size() ? rest_[i] : 'x';
      if (blank && i == 0 && c == ' ') continue;
      ok_ = ok_ && c >= '0' && c <= '9';
      number = 10 * number + (c - '0');
    }
    if (ok_) rest_.remove_prefix(digits);
    return number;
  }
  int Name(const char* names) {
    const int index = NameIndex(rest_, names);
    ok_ = ok_ && index >= 0;
    if (ok_) rest_.remove_prefix(3);
    return index;
  }
  void Clock(tm* time) {
    time->tm_hour = Number(2);
    Expect(":");
    time->tm_min = Number(2);
    Expect(":");
    time->tm_sec = Number(2);
  }

 private:
  absl::string_view rest_;
  bool ok_ = true;
};

void Put(char* out, int number, int digits) {
  for (int i = digits - 1; i >= 0; --i, number /= 10) out[i] = static_cast<char>('0' + number % 10);
}

}  // namespace

void FormatDate(int64_t seconds, char* out) {
  const time_t time = static_cast<time_t>(seconds);
  tm parts{};
  gmtime_r(&time, &parts);
  memcpy(out, "---, -- --- ---- --:--:-- GMT", kDateBytes);
  memcpy(out, kDays + 3 * parts.tm_wday, 3);
  Put(out + 5, parts.tm_mday, 2);
  memcpy(out + 8, kMonths + 3 * parts.tm_mon, 3);
  Put(out + 12, parts.tm_year + 1900, 4);
  Put(out + 17, parts.tm_hour, 2);
  Put(out + 20, parts.tm_min, 2);
  Put(out + 23, parts.tm_sec, 2);
}

std::optional<int64_t> ParseDate(absl::string_view text, int64_t now_s) {
  tm parts{};
  Reader in(text);
  bool two_digits = false;
  const size_t comma = text.find(',');
  if (comma == 3) {
    in.Name(kDays);
    in.Expect(", ");
    parts.tm_mday = in.Number(2);
    in.Expect(" ");
    parts.tm_mon = in.Name(kMonths);
    in.Expect(" ");
    parts.tm_year = in.Number(4);
    in.Expect(" ");
    in.Clock(&parts);
    in.Expect(" GMT");
  } else if (comma != absl::string_view::npos) {
    const int day = NameIndex(text, kDays);
    if (day < 0) return std::nullopt;
    in.Expect(kLongDays[day]);
    in.Expect(", ");
    parts.tm_mday = in.Number(2);
    in.Expect("-");
    parts.tm_mon = in.Name(kMonths);
    in.Expect("-");
    parts.tm_year = in.Number(2);
    two_digits = true;
    in.Expect(" ");
    in.Clock(&parts);
    in.Expect(" GMT");
  } else {
    in.Name(kDays);
    in.Expect(" ");
    parts.tm_mon = in.Name(kMonths);
    in.Expect(" ");
    parts.tm_mday = in.Number(2, /*blank=*/true);
    in.Expect(" ");
    in.Clock(&parts);
    in.Expect(" ");
    parts.tm_year = in.Number(4);
  }
  if (!in.done() || parts.tm_mday < 1 || parts.tm_mday > 31 || parts.tm_hour > 23 ||
      parts.tm_min > 59 || parts.tm_sec > 60)
    return std::nullopt;
  if (two_digits) {
    tm now{};
    const time_t now_time = static_cast<time_t>(now_s);
    gmtime_r(&now_time, &now);
    const int latest = now.tm_year + 1900 + 50;
    parts.tm_year += latest - latest % 100;
    if (parts.tm_year > latest) parts.tm_year -= 100;
  }
  const tm as_read = parts;
  parts.tm_year -= 1900;
  const int64_t seconds = timegm(&parts);
  // "31 Feb" has become another day.
  if (parts.tm_mon != as_read.tm_mon && as_read.tm_sec != 60) return std::nullopt;
  return seconds;
}

}  // namespace objmapper::protocol::http
