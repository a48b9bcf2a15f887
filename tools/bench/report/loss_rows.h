// Where a contender loses, as a table: in the page and in the docs.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/report/findings.h"

namespace objmapper::bench {

// A row for each loss of `subject`, in their order; the first row is the head.
std::vector<std::vector<std::string>> LossRows(const std::vector<Loss>& losses,
                                               const std::string& subject);

}  // namespace objmapper::bench
