#include "storage/store.h"

namespace objmapper::storage {

Store::Store(const Options& options) : options_(options) {}
Store::~Store() = default;

absl::StatusOr<std::unique_ptr<NewObject>> Store::Begin(absl::string_view, uint64_t, const PutAttributes&) {
  return absl::UnimplementedError("store");
}
absl::Status Store::PutFd(absl::string_view, net::UniqueFd, const PutAttributes&) {
  return absl::UnimplementedError("store");
}
absl::Status Store::Delete(absl::string_view) { return absl::UnimplementedError("store"); }
absl::StatusOr<ListPage> Store::List(const ListQuery&, absl::FunctionRef<bool(absl::string_view)>) {
  return absl::UnimplementedError("store");
}

}  // namespace objmapper::storage
