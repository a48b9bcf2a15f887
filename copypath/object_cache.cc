// A map and a list in the order of use, with limits on the number of objects and on the bytes of
// copies.
#include "copypath/object_cache.h"

#include <sys/stat.h>

namespace objmapper::copypath {

ObjectCache::~ObjectCache() {
  while (!lru_.empty()) Drop(lru_.back());
}

CachedObject* ObjectCache::Find(absl::string_view uri) {
  const auto found = objects_.find(uri);
  if (found == objects_.end()) return nullptr;
  CachedObject* object = found->second;
  if (lru_.front() != object) lru_.splice(lru_.begin(), lru_, object->in_lru_);
  return object;
}

void ObjectCache::Insert(CachedObject* object) {
  if (entries_max_ == 0) return;
  const auto found = objects_.find(object->uri());
  if (found != objects_.end()) Drop(found->second);
  object->Ref();
  lru_.push_front(object);
  object->in_lru_ = lru_.begin();
  objects_.emplace(object->uri(), object);
  object->counted_bytes_ = 0;
  NoteFilled(object);
}

void ObjectCache::NoteFilled(CachedObject* object) {
  const auto found = objects_.find(object->uri());
  if (found == objects_.end() || found->second != object) return;
  const size_t bytes = object->small() ? object->size() : 0;
  copies_bytes_ += bytes - object->counted_bytes_;
  object->counted_bytes_ = bytes;
  DropExcess();
}

void ObjectCache::DropExcess() {
  while (objects_.size() > entries_max_ || (copies_bytes_ > copies_max_ && !lru_.empty()))
    Drop(lru_.back());
}

void ObjectCache::Erase(CachedObject* object) {
  const auto found = objects_.find(object->uri());
  if (found != objects_.end() && found->second == object) Drop(object);
}

void ObjectCache::DropFillings() {
  for (auto next = lru_.begin(); next != lru_.end();) {
    CachedObject* const object = *next++;
    if (object->filling() != nullptr) Drop(object);
  }
}

void ObjectCache::DropNameless() {
  DropFillings();
  for (auto next = lru_.begin(); next != lru_.end();) {
    CachedObject* const object = *next++;
    struct stat status;
    if (object->state() != CachedObject::State::kReady || fstat(object->fd(), &status) != 0)
      continue;
    if (status.st_nlink == 0) Drop(object);
  }
}

void ObjectCache::Drop(CachedObject* object) {
  objects_.erase(object->uri());
  lru_.erase(object->in_lru_);
  copies_bytes_ -= object->counted_bytes_;
  object->Unref();
}

}  // namespace objmapper::copypath
