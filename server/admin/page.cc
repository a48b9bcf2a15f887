// Puts the parts of the status page together, once.
#include "absl/strings/str_cat.h"
#include "server/admin/pages.h"

namespace objmapper::server {
namespace {

constexpr char kBody[] =
#include "server/admin/page.html.inc"
    ;
constexpr char kStyle[] =
#include "server/admin/page.css.inc"
    ;
constexpr char kScript[] =
#include "server/admin/page.js.inc"
    ;
constexpr char kChartJs[] =
#include "server/admin/chart.js.inc"
    ;

}  // namespace

const std::string& Page() {
  static const auto* const page = new std::string(
      absl::StrCat("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                   "<title>objmapper</title><link rel=\"icon\" href=\"data:,\">\n<style>\n",
                   kStyle, "</style></head>\n<body>\n", kBody, "<script>\n", kChartJs,
                   "\n</script>\n<script>\n", kScript, "</script>\n</body></html>\n"));
  return *page;
}

}  // namespace objmapper::server
