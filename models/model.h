// The concurrency models by name. docs/concurrency.md compares them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "models/context.h"
#include "session/lane.h"

namespace objmapper::models {

enum class Model : uint8_t {
  kThreadPerRequest,
  kThreadPerConnection,
  kThreadPool,
  kAcceptPool,
  kWorkStealing,
  kEpoll,
  kUring,
  kSeda,
};

// "thread_per_request", ...; the view is static.
absl::string_view ModelName(Model model);
// nullopt: no model has this name.
std::optional<Model> ModelNamed(absl::string_view name);
// All names, for messages: "thread_per_request, ..., seda".
std::string ModelNames();

// "4 workers", "3 stages of 4 threads", ...: what it is made of with these sizes; for the log.
std::string ThreadsOf(Model model, int pool_size, size_t threads_max);

// Starts the model's threads. FAILED_PRECONDITION: the kernel refuses what it needs (uring).
absl::StatusOr<std::unique_ptr<session::Lane>> MakeModel(Model model, const Options& options);

}  // namespace objmapper::models
