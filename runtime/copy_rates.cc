#include "runtime/copy_rates.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "runtime/error.h"
#include "runtime/tensor.h"

namespace cairn {
namespace {

double median(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class CopyBench {
 public:
  CopyBench(Backend& backend, const CopyOptions& options)
      : backend_(backend),
        options_(options),
        up_(backend.make_stream("upload")),
        down_(backend.make_stream("download")),
        compute_(backend.make_stream("compute")),
        host_(backend.host_memory(), 2 * options.bytes, Owner::kData, *up_),
        to_(device(options.bytes)),
        from_(device(options.bytes)),
        pageable_(options.bytes),
        workspace_(device(backend.workspace_bytes())),
        kernels_(backend.make_kernels(workspace_)) {
    const std::int64_t n = options.product;
    for (Tensor* matrix : {&x_, &w_, &y_}) {
      *matrix = {
          backend.memory(), *compute_, Owner::kWorkspace, options.type, {n, n}};
    }
    const Tensor drawn(backend.memory(), *compute_, Owner::kWorkspace,
                       DType::kF32, {n, n});
    kernels_->fill_normal(*compute_, {drawn, 0.5F, 1, 1});
    kernels_->cast(*compute_, drawn, x_);
    kernels_->cast(*compute_, drawn, w_);
    for (Stream* stream : streams()) stream->synchronize();
  }

  CopyRates rates() {
    CopyRates rates;
    const double all = static_cast<double>(options_.bytes) * options_.copies;
    const auto up = [&] { upload(host_.data()); };
    const auto down = [&] { download(host_.data() + options_.bytes); };
    rates.upload = all / seconds(*up_, up);
    rates.download = all / seconds(*down_, down);
    rates.both = 2 * all / seconds_of_both(up, down);
    rates.pageable_upload =
        all / seconds(*up_, [&] { upload(pageable_.data()); });
    rates.pageable_download =
        all / seconds(*down_, [&] { download(pageable_.data()); });
    rates.latency = latency();
    // As many products as take a little less long than the copies do.
    rates.product = product_seconds(1, {});
    const double beside = all / std::max(rates.upload, rates.download);
    const int products =
        std::max(1, static_cast<int>(0.8 * beside / rates.product));
    rates.product = product_seconds(products, {});
    rates.product_beside = product_seconds(products, [&] {
      up();
      down();
    });
    return rates;
  }

 private:
  std::vector<Stream*> streams() const {
    return {up_.get(), down_.get(), compute_.get()};
  }

  Tensor device(std::size_t bytes) {
    return {backend_.memory(),
            *up_,
            Owner::kWorkspace,
            DType::kF32,
            {static_cast<std::int64_t>(bytes / sizeof(float))}};
  }

  void upload(const std::byte* from) {
    for (int i = 0; i < options_.copies; ++i) {
      backend_.upload(*up_, to_, from);
    }
  }
  void download(std::byte* to) {
    for (int i = 0; i < options_.copies; ++i) {
      backend_.download(*down_, to, from_);
    }
  }

  double seconds(Stream& stream, const std::function<void()>& work) const {
    std::vector<double> all;
    for (int i = 0; i <= options_.repeats; ++i) {
      const auto begin = stream.record();
      work();
      const auto end = stream.record();
      end->synchronize();
      if (i > 0) all.push_back(end->seconds_since(*begin));  // after a first
    }
    return median(all);
  }

  double seconds_of_both(const std::function<void()>& up,
                         const std::function<void()>& down) const {
    return seconds(*up_, [&] {
      down_->wait(up_->record());
      up();
      down();
      up_->wait(down_->record());
    });
  }

  double latency() {
    constexpr int kCopies = 50;
    const TensorView one = to_.view().part(0, {1});
    return seconds(*up_,
                   [&] {
                     for (int i = 0; i < kCopies; ++i) {
                       backend_.upload(*up_, one, host_.data());
                     }
                   }) /
           kCopies;
  }

  double product_seconds(int products,
                         const std::function<void()>& beside) const {
    LinearForward op;
    op.x = x_;
    op.w = w_;
    op.y = y_;
    const double all = seconds(*compute_, [&] {
      if (beside) {
        const auto begin = compute_->record();
        up_->wait(begin);
        down_->wait(begin);
        beside();
      }
      for (int i = 0; i < products; ++i) {
        kernels_->linear_forward(*compute_, op);
      }
    });
    up_->synchronize();
    down_->synchronize();
    return all / products;
  }

  Backend& backend_;
  const CopyOptions& options_;
  std::unique_ptr<Stream> up_;
  std::unique_ptr<Stream> down_;
  std::unique_ptr<Stream> compute_;
  Buffer host_;
  Tensor to_;
  Tensor from_;
  std::vector<std::byte> pageable_;
  Tensor workspace_;
  std::unique_ptr<Kernels> kernels_;
  Tensor x_;
  Tensor w_;
  Tensor y_;
};

}  // namespace

CopyRates measure_copies(Backend& backend, const CopyOptions& options) {
  require(options.bytes >= sizeof(float) && options.copies > 0 &&
              options.repeats > 0 && options.product > 0,
          "copies are measured by at least one, of at least 4 bytes");
  return CopyBench(backend, options).rates();
}

}  // namespace cairn
