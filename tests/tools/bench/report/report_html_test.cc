#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/bench/report/fake_report.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The page asks nobody for anything: no URL, no file beside it.
TEST(ReportHtmlTest, StandsAlone) {
  const std::string html = ToHtml(FakeReport(), "/* the library */");
  for (const char* outside : {"http:", "https:", "//cdn", "src=", "href=", "@import", "url("}) {
    EXPECT_THAT(html, Not(HasSubstr(outside)));
  }
  EXPECT_THAT(html, HasSubstr("/* the library */"));
}

// It holds the command, the machine, who is missing, the warnings, and the figures.
TEST(ReportHtmlTest, HoldsWhatWasMeasured) {
  const std::string html = ToHtml(FakeReport(), "");
  for (const char* text :
       {"bench copy --peers", "a CPU", "Linux 6.1", "nginx is missing: not installed",
        "noisy: a test", "Not the same for all", "0.90 (0.90–0.90)", "\"name\":\"redis\""}) {
    EXPECT_THAT(html, HasSubstr(text));
  }
}

// Where another is better, the page says so; where none is, it says that.
TEST(ReportHtmlTest, SaysWhereWeLose) {
  Report report = FakeReport();
  EXPECT_THAT(ToHtml(report, ""), HasSubstr("beaten by"));
  report.cells[0].series.erase(report.cells[0].series.begin() + 2);  // redis
  EXPECT_THAT(ToHtml(report, ""), Not(HasSubstr("Another model or peer was better")));
}

// No text can become markup, or end the script that holds the data.
TEST(ReportHtmlTest, EscapesNames) {
  Report report = FakeReport();
  report.command = "bench '<img>'";
  report.cells[0].series[2].contender = "</script><b>\"&";
  const std::string html = ToHtml(report, "");
  EXPECT_THAT(html, Not(HasSubstr("<img>")));
  EXPECT_THAT(html, Not(HasSubstr("</script><b>")));
  EXPECT_THAT(html, HasSubstr("&lt;/script&gt;&lt;b&gt;&quot;&amp;"));
  EXPECT_THAT(html, HasSubstr("\\u003c/script>"));
}

// A report without cells is still a page.
TEST(ReportHtmlTest, TakesAnEmptyReport) {
  EXPECT_THAT(ToHtml(Report(), ""), HasSubstr("</html>"));
}

}  // namespace
}  // namespace objmapper::bench
