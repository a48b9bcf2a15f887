// The table of the models: their names, their threads, and the function that makes each.
#include "models/model.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/makers.h"

namespace objmapper::models {
namespace {

std::string Limited(int, size_t threads_max) {
  return absl::StrCat("at most ", threads_max, " threads");
}
std::string Workers(int pool_size, size_t) { return absl::StrCat(pool_size, " workers"); }
std::string Stages(int pool_size, size_t) {
  return absl::StrCat("3 stages of ", pool_size, " threads");
}
std::string OneLoop(int, size_t) { return "one loop"; }

struct Kind {
  const char* name;
  std::string (*threads)(int pool_size, size_t threads_max);
  absl::StatusOr<std::unique_ptr<session::Lane>> (*make)(const Options& options);
};

// In the order of Model.
constexpr Kind kKinds[] = {
    {"thread_per_request", Limited, MakeThreadPerRequest},
    {"thread_per_connection", Limited, MakeThreadPerConnection},
    {"thread_pool", Workers, MakeThreadPool},
    {"accept_pool", Workers, MakeAcceptPool},
    {"work_stealing", Workers, MakeWorkStealing},
    {"epoll", OneLoop, MakeEpollLoop},
    {"uring", OneLoop, MakeUringLoop},
    {"seda", Stages, MakeSeda},
};
static_assert(std::size(kKinds) == static_cast<size_t>(Model::kSeda) + 1);

const Kind& KindOf(Model model) { return kKinds[static_cast<size_t>(model)]; }

}  // namespace

absl::string_view ModelName(Model model) { return KindOf(model).name; }

std::optional<Model> ModelNamed(absl::string_view name) {
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    if (name == kKinds[i].name) return static_cast<Model>(i);
  }
  return std::nullopt;
}

std::string ModelNames() {
  return absl::StrJoin(kKinds, ", ",
                       [](std::string* out, const Kind& kind) { absl::StrAppend(out, kind.name); });
}

std::string ThreadsOf(Model model, int pool_size, size_t threads_max) {
  return KindOf(model).threads(pool_size, threads_max);
}

absl::StatusOr<std::unique_ptr<session::Lane>> MakeModel(Model model, const Options& options) {
  return KindOf(model).make(options);
}

}  // namespace objmapper::models
