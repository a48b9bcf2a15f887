// The names of the models, and the function that makes each.
#include "models/model.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/accept_pool.h"
#include "models/event_loop.h"
#include "models/seda.h"
#include "models/thread_per_connection.h"
#include "models/thread_per_request.h"
#include "models/thread_pool.h"
#include "models/work_stealing.h"

namespace objmapper::models {
namespace {

constexpr std::pair<Model, const char*> kNames[] = {
    {Model::kThreadPerRequest, "thread_per_request"},
    {Model::kThreadPerConnection, "thread_per_connection"},
    {Model::kThreadPool, "thread_pool"},
    {Model::kAcceptPool, "accept_pool"},
    {Model::kWorkStealing, "work_stealing"},
    {Model::kEpoll, "epoll"},
    {Model::kUring, "uring"},
    {Model::kSeda, "seda"},
};

}  // namespace

absl::string_view ModelName(Model model) {
  for (const auto& [known, name] : kNames) {
    if (known == model) return name;
  }
  return "unknown";
}

std::optional<Model> ModelNamed(absl::string_view name) {
  for (const auto& [model, known] : kNames) {
    if (name == known) return model;
  }
  return std::nullopt;
}

std::string ModelNames() {
  return absl::StrJoin(kNames, ", ", [](std::string* out, const auto& entry) {
    absl::StrAppend(out, entry.second);
  });
}

std::string ThreadsOf(Model model, int pool_size, size_t threads_max) {
  switch (model) {
    case Model::kThreadPerRequest:
    case Model::kThreadPerConnection:
      return absl::StrCat("at most ", threads_max, " threads");
    case Model::kThreadPool:
    case Model::kAcceptPool:
    case Model::kWorkStealing:
      return absl::StrCat(pool_size, " workers");
    case Model::kSeda:
      return absl::StrCat("3 stages of ", pool_size, " threads");
    case Model::kEpoll:
    case Model::kUring:
      return "one loop";
  }
  return "";
}

absl::StatusOr<std::unique_ptr<session::Lane>> MakeModel(Model model, const Options& options) {
  std::unique_ptr<session::Lane> made;
  switch (model) {
    case Model::kThreadPerRequest:
      made = std::make_unique<ThreadPerRequest>(options);
      break;
    case Model::kThreadPerConnection:
      made = std::make_unique<ThreadPerConnection>(options);
      break;
    case Model::kThreadPool:
      made = std::make_unique<ThreadPool>(options);
      break;
    case Model::kAcceptPool:
      made = std::make_unique<AcceptPool>(options);
      break;
    case Model::kWorkStealing:
      made = std::make_unique<WorkStealing>(options);
      break;
    case Model::kSeda:
      made = std::make_unique<Seda>(options);
      break;
    case Model::kEpoll:
      return MakeEventLoop(loop::EngineKind::kEpoll, options);
    case Model::kUring:
      return MakeEventLoop(loop::EngineKind::kUring, options);
  }
  return made;
}

}  // namespace objmapper::models
