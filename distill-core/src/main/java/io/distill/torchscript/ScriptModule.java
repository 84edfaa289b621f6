package io.distill.torchscript;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.exception.DistillationException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * An immutable TorchScript module as Java sees it: a class name, attributes (parameters, buffers,
 * submodules, constants) and methods in TorchScript source.
 *
 * <p>Modules of one class name must have the same attributes and methods, as in PyTorch. Attribute
 * names may be numbers ({@code "0"}), as the entries of a {@code ModuleList} are; methods reach
 * them with {@code getattr(self, "0")}.
 *
 * <p>Methods are written as a PyTorch user writes them, with typed arguments:
 *
 * <pre>{@code
 * def forward(self, input: Tensor) -> Tensor:
 *   return torch.linear(input, self.weight, self.bias)
 * }</pre>
 */
public final class ScriptModule {

  private static final Pattern TYPE_NAME = Pattern.compile("[A-Z][A-Za-z0-9_]*");
  private static final Pattern ATTRIBUTE_NAME = Pattern.compile("[A-Za-z0-9_]+");

  private final String typeName;
  private final Map<String, Attribute> attributes;
  private final List<String> methods;

  private ScriptModule(String typeName, Map<String, Attribute> attributes, List<String> methods) {
    this.typeName = typeName;
    this.attributes = Collections.unmodifiableMap(new LinkedHashMap<>(attributes));
    this.methods = List.copyOf(methods);
  }

  /** What an attribute of a module can be. */
  sealed interface Attribute {}

  /** A tensor; trained if a parameter, else a buffer. */
  record TensorAttribute(HostTensor tensor, boolean trained) implements Attribute {}

  /** A submodule. */
  record ModuleAttribute(ScriptModule module) implements Attribute {}

  /** A {@link Boolean}, {@link Long}, {@link Double} or {@link String}. */
  record ConstantAttribute(Object value) implements Attribute {}

  /**
   * Starts a module.
   *
   * @param typeName the class name in the generated source; a capital letter, then letters, digits
   *     or underscores
   * @return a builder
   * @throws IllegalArgumentException if the name is not a class name
   */
  public static Builder builder(String typeName) {
    return new Builder(typeName);
  }

  /**
   * Returns the class name.
   *
   * @return the class name in the generated source
   */
  public String typeName() {
    return typeName;
  }

  Map<String, Attribute> attributes() {
    return attributes;
  }

  /**
   * Returns the methods.
   *
   * @return the TorchScript source of each method
   */
  public List<String> methods() {
    return methods;
  }

  /**
   * Returns a submodule.
   *
   * @param name the attribute's name
   * @return the submodule
   * @throws IllegalArgumentException if there is none of that name
   */
  public ScriptModule module(String name) {
    if (attributes.get(name) instanceof ModuleAttribute child) {
      return child.module();
    }
    throw new IllegalArgumentException(
        "submodule must be one of " + attributes.keySet() + " but was " + name);
  }

  /**
   * Returns the trained tensors of this module and its submodules.
   *
   * @return parameters by dotted name, in the order in which PyTorch lists them
   */
  public Map<String, HostTensor> parameters() {
    Map<String, HostTensor> found = new LinkedHashMap<>();
    collect("", true, found);
    return Collections.unmodifiableMap(found);
  }

  /**
   * Returns the untrained tensors of this module and its submodules.
   *
   * @return buffers by dotted name
   */
  public Map<String, HostTensor> buffers() {
    Map<String, HostTensor> found = new LinkedHashMap<>();
    collect("", false, found);
    return Collections.unmodifiableMap(found);
  }

  private void collect(String prefix, boolean trained, Map<String, HostTensor> found) {
    attributes.forEach(
        (name, attribute) -> {
          if (attribute instanceof TensorAttribute tensor && tensor.trained() == trained) {
            found.put(prefix + name, tensor.tensor());
          }
        });
    attributes.forEach(
        (name, attribute) -> {
          if (attribute instanceof ModuleAttribute child) {
            child.module().collect(prefix + name + ".", trained, found);
          }
        });
  }

  /**
   * Returns this module with other weights.
   *
   * @param tensors parameters and buffers by dotted name; names not listed keep their tensor
   * @return a module of the same classes
   * @throws DistillationException if a name does not exist here, or a shape or type differs
   */
  public ScriptModule withTensors(Map<String, HostTensor> tensors) {
    Set<String> unused = new LinkedHashSet<>(tensors.keySet());
    ScriptModule replaced = withTensors("", tensors, unused);
    if (!unused.isEmpty()) {
      throw new DistillationException(
          "tensor names must exist in module "
              + typeName
              + " but it has no "
              + String.join(", ", unused));
    }
    return replaced;
  }

  private ScriptModule withTensors(
      String prefix, Map<String, HostTensor> tensors, Set<String> unused) {
    Map<String, Attribute> replaced = new LinkedHashMap<>();
    attributes.forEach(
        (name, attribute) -> {
          String path = prefix + name;
          if (attribute instanceof ModuleAttribute child) {
            replaced.put(
                name, new ModuleAttribute(child.module().withTensors(path + ".", tensors, unused)));
          } else if (attribute instanceof TensorAttribute old && tensors.get(path) != null) {
            HostTensor tensor = requireNonNull(tensors.get(path));
            if (!tensor.shape().equals(old.tensor().shape())
                || tensor.type() != old.tensor().type()) {
              throw new DistillationException(
                  "tensor "
                      + path
                      + " must have type and shape "
                      + old.tensor().type()
                      + old.tensor().shape()
                      + " but had "
                      + tensor.type()
                      + tensor.shape());
            }
            unused.remove(path);
            replaced.put(name, new TensorAttribute(tensor, old.trained()));
          } else {
            replaced.put(name, attribute);
          }
        });
    return new ScriptModule(typeName, replaced, methods);
  }

  /**
   * Counts the trained numbers.
   *
   * @return the number of elements of all parameters
   */
  public long parameterCount() {
    return parameters().values().stream().mapToLong(tensor -> tensor.shape().size()).sum();
  }

  @Override
  public String toString() {
    return typeName + "[" + parameterCount() + " parameters]";
  }

  /** Collects the parts of a {@link ScriptModule}. */
  public static final class Builder {
    private final String typeName;
    private final Map<String, Attribute> attributes = new LinkedHashMap<>();
    private final List<String> methods = new ArrayList<>();

    private Builder(String typeName) {
      checkArgument(
          TYPE_NAME.matcher(typeName).matches(),
          "typeName must be a class name such as TransformerEncoder but was %s",
          typeName);
      this.typeName = typeName;
    }

    /**
     * Adds a trained tensor.
     *
     * @param name the attribute's name
     * @param tensor its value
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder parameter(String name, HostTensor tensor) {
      return add(name, new TensorAttribute(requireNonNull(tensor, "tensor"), true));
    }

    /**
     * Adds an untrained tensor.
     *
     * @param name the attribute's name
     * @param tensor its value
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder buffer(String name, HostTensor tensor) {
      return add(name, new TensorAttribute(requireNonNull(tensor, "tensor"), false));
    }

    /**
     * Adds a submodule.
     *
     * @param name the attribute's name
     * @param module the submodule
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder module(String name, ScriptModule module) {
      return add(name, new ModuleAttribute(requireNonNull(module, "module")));
    }

    /**
     * Adds an {@code int} constant.
     *
     * @param name the attribute's name
     * @param value its value
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder constant(String name, long value) {
      return add(name, new ConstantAttribute(value));
    }

    /**
     * Adds a {@code float} constant.
     *
     * @param name the attribute's name
     * @param value its value
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder constant(String name, double value) {
      return add(name, new ConstantAttribute(value));
    }

    /**
     * Adds a {@code bool} constant.
     *
     * @param name the attribute's name
     * @param value its value
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder constant(String name, boolean value) {
      return add(name, new ConstantAttribute(value));
    }

    /**
     * Adds a method.
     *
     * @param source TorchScript source that starts with {@code def name(self}
     * @return this builder
     * @throws IllegalArgumentException if the source does not start so
     */
    @CanIgnoreReturnValue
    public Builder method(String source) {
      String stripped = source.strip();
      checkArgument(
          stripped.matches("(?s)def \\w+\\(self[,)].*"),
          "method must start with 'def name(self' but was %s",
          stripped);
      methods.add(stripped);
      return this;
    }

    private Builder add(String name, Attribute attribute) {
      checkArgument(
          ATTRIBUTE_NAME.matcher(name).matches() && !name.equals("training"),
          "attribute name must be letters, digits or underscores, and not 'training', but was %s",
          name);
      checkArgument(
          attributes.put(name, attribute) == null, "attribute %s was already added", name);
      return this;
    }

    /**
     * Builds the module.
     *
     * @return the module
     */
    public ScriptModule build() {
      return new ScriptModule(typeName, attributes, methods);
    }
  }
}
