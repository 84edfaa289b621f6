package io.distill.losses.training;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import io.distill.data.Tokenizer;
import io.distill.internal.NativeEngine;
import io.distill.model.BlockModel;
import io.distill.model.BlockTaps;
import io.distill.model.DeployableModel;
import io.distill.model.SignalReader;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** DJL blocks as a student, with the same start each time it is opened. */
final class BlockStudent implements Student, AutoCloseable {

  private static final int SEED = 7;

  private final Supplier<Block> block;
  private final BlockTaps taps;
  private final SignalReader reader;
  private final @Nullable Tokenizer tokenizer;
  private final Shape[] inputs;
  private final List<Model> opened = new ArrayList<>();

  BlockStudent(
      Supplier<Block> block,
      BlockTaps taps,
      SignalReader reader,
      @Nullable Tokenizer tokenizer,
      Shape... inputs) {
    this.block = block;
    this.taps = taps;
    this.reader = reader;
    this.tokenizer = tokenizer;
    this.inputs = inputs.clone();
  }

  @Override
  public DeployableModel open(StudentSetup setup) {
    Model model = Model.newInstance("blocks", Device.cpu(), "PyTorch");
    opened.add(model);
    Block made = block.get();
    NativeEngine.engine().setRandomSeed(SEED);
    made.initialize(model.getNDManager(), DataType.FLOAT32, inputs);
    model.setBlock(made);
    return new DeployableModel(
        BlockModel.open(model, taps, reader, true), tokenizer, setup.classNames());
  }

  @Override
  public void close() {
    opened.forEach(Model::close);
  }
}
