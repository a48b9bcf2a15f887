// What flights, checks and changes of an origin's objects are made with.
#pragma once

#include <functional>
#include <memory>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "origin/cache/partial_object.h"
#include "origin/fetch/fetcher.h"
#include "origin/flight/account.h"
#include "origin/flight/strand.h"

namespace objmapper::origin {

struct Means {
  PartialObject::Options cache;
  fetch::Fetcher* fetcher = nullptr;  // outlives them
  std::shared_ptr<Account> account;   // of the origin
  RunFn run;
  std::function<absl::Time()> now = absl::Now;
};

}  // namespace objmapper::origin
