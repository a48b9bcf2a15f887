// The beginning and the end of a loop's thread.
#include "loop/loop_thread.h"

#include <future>

#include "absl/strings/str_cat.h"
#include "storage/tree/slow_opens.h"

namespace objmapper::loop {

absl::Status LoopThread::Start(int number) {
  std::promise<absl::Status> started;
  thread_.Start(absl::StrCat("copypath/", number), [this, &started] {
    const absl::Status opened = loop_.Open();
    started.set_value(opened);
    if (opened.ok()) {
      const storage::SlowOpens::Watched watched(&loop_.options().tree->slow_opens(),
                                                [this] { loop_.files()->CutShort(); });
      loop_.Serve();
    }
    loop_.Close();
  });
  absl::Status status = started.get_future().get();
  if (!status.ok()) thread_.Stop();
  return status;
}

}  // namespace objmapper::loop
