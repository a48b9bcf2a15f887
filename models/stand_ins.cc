// Extra threads for models with a fixed number of them, for as long as some of theirs wait for a
// slow open.
#include "models/context.h"

namespace objmapper::models {

StandIns::Waiting::Waiting(StandIns* stand_ins) : stand_ins_(stand_ins) {
  {
    const net::MutexLock lock(&stand_ins_->mutex_);
    if (++stand_ins_->waiting_ <= stand_ins_->started_) return;
    ++stand_ins_->started_;
  }
  if (stand_ins_->threads_.TryRun(stand_ins_->name_, stand_ins_->work_)) return;
  const net::MutexLock lock(&stand_ins_->mutex_);
  --stand_ins_->started_;
}

StandIns::Waiting::~Waiting() {
  const net::MutexLock lock(&stand_ins_->mutex_);
  --stand_ins_->waiting_;
}

}  // namespace objmapper::models
