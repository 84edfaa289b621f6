package io.distill.losses.training;

import static io.distill.losses.Losses.hardLabels;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Blocks;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.pooling.Pool;
import ai.djl.training.dataset.ArrayDataset;
import io.distill.Distiller;
import io.distill.data.DistillationDataset;
import io.distill.internal.NativeEngine;
import io.distill.model.BlockTaps;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.torchscript.ScriptModule;
import io.distill.training.Optimizer;
import java.util.SplittableRandom;

/**
 * Which of four shapes a small grey image shows: a cross, a ring, a corner or two bars, drawn in
 * code with a place, a size, a brightness and noise of their own.
 */
final class ImageTask implements Task {

  private static final int SIDE = 12;
  private static final int CLASSES = 4;
  private static final int TRAIN = 128;
  private static final int HELD_OUT = 48;
  private static final int[] TEACHER = {8, 16, 16};
  private static final int[] STUDENT = {4, 8, 8};

  private final DistillationDataset train;
  private final DistillationDataset heldOut;
  private final ModelTeacher teacher;
  private final int[] channels;

  private ImageTask(
      DistillationDataset train,
      DistillationDataset heldOut,
      ModelTeacher teacher,
      int... channels) {
    this.train = train;
    this.heldOut = heldOut;
    this.teacher = teacher;
    this.channels = channels;
  }

  private static ImageTask made() {
    NDManager manager = NativeEngine.newManager(Device.cpu()); // as long as this process
    DistillationDataset train = images(manager, TRAIN, 1);
    ModelTeacher teacher =
        Teacher.of(
            Distiller.builder()
                .teacher(Teacher.none())
                .student(convolutions(3, TEACHER))
                .loss(hardLabels())
                .optimizer(Optimizer.adamW().withLearningRate(0.01))
                .batchSize(16)
                .epochs(20)
                .seed(1)
                .fit(train)
                .student());
    return new ImageTask(train, images(manager, HELD_OUT, 2), teacher, STUDENT);
  }

  private static final class Once {
    static final ImageTask TASK = made();
  }

  static ImageTask task() {
    return Once.TASK;
  }

  /** Returns the task with students whose maps are as wide as the teacher's. */
  static ImageTask ofEqualWidths() {
    ImageTask task = Once.TASK;
    return new ImageTask(task.train, task.heldOut, task.teacher, TEACHER);
  }

  private static DistillationDataset images(NDManager manager, int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] pixels = new float[count * SIDE * SIDE];
    float[] labels = new float[count];
    for (int i = 0; i < count; i++) {
      labels[i] = i % CLASSES;
      draw(pixels, i * SIDE * SIDE, i % CLASSES, random);
    }
    return DistillationDataset.of(
        new ArrayDataset.Builder()
            .setData(manager.create(pixels, new Shape(count, 1, SIDE, SIDE)))
            .optLabels(manager.create(labels).toType(DataType.INT64, false))
            .setSampling(16, false)
            .build());
  }

  private static void draw(float[] pixels, int start, int shape, SplittableRandom random) {
    int size = 5 + random.nextInt(3);
    int top = random.nextInt(SIDE - size + 1);
    int left = random.nextInt(SIDE - size + 1);
    float brightness = 0.6f + 0.4f * (float) random.nextDouble();
    for (int y = 0; y < SIDE; y++) {
      for (int x = 0; x < SIDE; x++) {
        int row = y - top;
        int column = x - left;
        boolean inside = row >= 0 && column >= 0 && row < size && column < size;
        boolean ink = inside && covers(shape, row, column, size);
        float noise = 0.4f * (float) (random.nextDouble() - 0.5);
        pixels[start + y * SIDE + x] = (ink ? brightness : 0) + noise;
      }
    }
  }

  private static boolean covers(int shape, int row, int column, int size) {
    return switch (shape) {
      case 0 -> row == size / 2 || column == size / 2;
      case 1 -> row == 0 || column == 0 || row == size - 1 || column == size - 1;
      case 2 -> row == 0 || column == 0;
      default -> row == 1 || row == size - 2;
    };
  }

  /** Three convolutions; their outputs before the activation are the hidden states. */
  private static Student convolutions(long seed, int... channels) {
    Weights weights = new Weights(seed);
    ScriptModule.Builder module = ScriptModule.builder("Convolutions");
    int in = 1;
    for (int i = 0; i < channels.length; i++) {
      module.parameter("kernel" + i, weights.drawn(channels[i], in, 3, 3));
      module.parameter("bias" + i, Weights.zeros(channels[i]));
      in = channels[i];
    }
    module.parameter("classifier", weights.drawn(CLASSES, in));
    module.method(
        """
        def forward(self, images: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
          first = torch.conv2d(images, self.kernel0, self.bias0, [1, 1], [1, 1])
          halved = torch.max_pool2d(torch.relu(first), [2, 2])
          second = torch.conv2d(halved, self.kernel1, self.bias1, [1, 1], [1, 1])
          again = torch.max_pool2d(torch.relu(second), [2, 2])
          third = torch.conv2d(again, self.kernel2, self.bias2, [1, 1], [1, 1])
          embedding = torch.mean(torch.relu(third), [2, 3])
          return (torch.linear(embedding, self.classifier), embedding, first, second, third)
        """);
    return new ScriptedStudent(
        module.build(),
        (outputs, inputs) ->
            Signals.builder()
                .logits(outputs.get(0))
                .embedding(outputs.get(1))
                .hiddenStates(outputs.subList(2, 5))
                .build(),
        null);
  }

  private static Block blocks(int... channels) {
    SequentialBlock block = new SequentialBlock();
    for (int i = 0; i < channels.length; i++) {
      block.add(
          Conv2d.builder()
              .setFilters(channels[i])
              .setKernelShape(new Shape(3, 3))
              .optPadding(new Shape(1, 1))
              .build());
      block.add(Activation.reluBlock());
      if (i < channels.length - 1) {
        block.add(Pool.maxPool2dBlock(new Shape(2, 2), new Shape(2, 2)));
      }
    }
    return block
        .add(Pool.globalAvgPool2dBlock())
        .add(Blocks.batchFlattenBlock())
        .add(Linear.builder().setUnits(CLASSES).optBias(false).build());
  }

  @Override
  public ModelTeacher teacher() {
    return teacher;
  }

  @Override
  public Student student() {
    return convolutions(4, channels);
  }

  @Override
  public BlockStudent blocks() {
    return new BlockStudent(
        () -> blocks(channels),
        BlockTaps.hiddenStates("01Conv2d", "04Conv2d", "07Conv2d").embedding("10LambdaBlock"),
        (outputs, inputs) -> Signals.builder().logits(outputs.get(0)).build(),
        null,
        new Shape(1, 1, SIDE, SIDE));
  }

  @Override
  public DistillationDataset train() {
    return train;
  }

  @Override
  public DistillationDataset heldOut() {
    return heldOut;
  }
}
