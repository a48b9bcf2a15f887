// How each model is made. The file that defines it opens with what it is, where it wins and where
// it loses.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "models/context.h"
#include "session/lane.h"

namespace objmapper::models {

absl::StatusOr<std::unique_ptr<session::Lane>> MakeThreadPerRequest(const Options& options);
absl::StatusOr<std::unique_ptr<session::Lane>> MakeThreadPerConnection(const Options& options);
absl::StatusOr<std::unique_ptr<session::Lane>> MakeThreadPool(const Options& options);
absl::StatusOr<std::unique_ptr<session::Lane>> MakeAcceptPool(const Options& options);
absl::StatusOr<std::unique_ptr<session::Lane>> MakeWorkStealing(const Options& options);
absl::StatusOr<std::unique_ptr<session::Lane>> MakeSeda(const Options& options);
// FAILED_PRECONDITION: the kernel refuses the engine; the message says why.
absl::StatusOr<std::unique_ptr<session::Lane>> MakeEpollLoop(const Options& options);
absl::StatusOr<std::unique_ptr<session::Lane>> MakeUringLoop(const Options& options);

}  // namespace objmapper::models
