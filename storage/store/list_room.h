// The memory that listings may take while they wait for clients to read them, of all connections
// together.
//
//   ListRoom::Lease room = list_room.Take(1024 * 1024);
//   query.bytes_max = room.bytes();            // a page may be small: there is a cursor
//   ... room.Shrink(answer.size()); ...        // and it is kept until the answer has gone
//
// Nobody waits for room: pages become smaller as it becomes scarce, down to some kilobytes, which
// is no more than what an idle connection costs anyway. So a thousand clients that do not read take
// what sixty used to.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <utility>

namespace objmapper::storage {

// Thread-safe; outlives its leases.
class ListRoom {
 public:
  static constexpr size_t kLeastBytes = 4096;

  explicit ListRoom(size_t bytes_max) : bytes_max_(bytes_max) {}

  // One thread's at a time.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept
        : room_(std::exchange(other.room_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(room_, other.room_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Lease() { Shrink(0); }

    size_t bytes() const { return bytes_; }
    // Gives back what is more than `bytes`.
    void Shrink(size_t bytes) {
      if (bytes >= bytes_) return;
      room_->used_.fetch_sub(bytes_ - bytes, std::memory_order_relaxed);
      bytes_ = bytes;
    }

   private:
    friend class ListRoom;
    Lease(ListRoom* room, size_t bytes) : room_(room), bytes_(bytes) {}
    ListRoom* room_ = nullptr;
    size_t bytes_ = 0;
  };

  // `wanted` bytes while there is plenty of room; a share of what is left else, kLeastBytes at the
  // least.
  Lease Take(size_t wanted) {
    const size_t used = used_.load(std::memory_order_relaxed);
    const size_t share = used < bytes_max_ ? (bytes_max_ - used) / kShares : 0;
    const size_t bytes = std::min(wanted, std::max(share, kLeastBytes));
    used_.fetch_add(bytes, std::memory_order_relaxed);
    return Lease(this, bytes);
  }

  size_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kShares = 16;

  const size_t bytes_max_;
  std::atomic<size_t> used_{0};
};

}  // namespace objmapper::storage
